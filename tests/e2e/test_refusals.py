"""Files that are no clips: refused by a named reason, with one terminal row and not a byte left."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from clipmesh.video.v1.events_pb2 import MediaFailed

from devstack.client import ApiError, new_request_id
from devstack.clips import BROKEN_KINDS, make_variants
from mesh.testing.folders import socket_folder
from svc_video.processing.media import locate_tools
from tests.e2e.stage import Stage, finished, until, video_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

KINDS = ("too_short", "truncated_fast_start", "text_named_mp4", "playlist_named_mp4", "audio_only")
"""One of each way to be wrong; every kind is tried at the toolbox itself."""
_VIDEO_ID = re.compile(r"\d{17,19}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_variants(tmp_path_factory.mktemp("broken"), only=frozenset(KINDS))


async def test_every_broken_file_is_refused_by_name_and_leaves_no_bytes(stage: Stage, broken: dict[str, Path]) -> None:
    creator = await stage.person("fred")

    async def refused(kind: str) -> tuple[str, str]:
        upload = await creator.upload(broken[kind], request_id=new_request_id())
        last = await finished(creator, upload["id"])
        assert (last["stage"], last["playable"]) == ("FAILED", False)
        assert last["failureCode"] == BROKEN_KINDS[kind]
        return kind, upload["id"]

    uploads = dict(await asyncio.gather(*map(refused, KINDS)))
    for kind, video_id in uploads.items():
        await stage.state(creator, video_id, "FAILED")
        await until(lambda video_id=video_id: _gone(stage, video_id), what=f"no byte of {kind} is left")
    await stage.quiet()
    told = [
        (envelope.key, event.reason) for envelope, event in await stage.events("video", MediaFailed) if envelope.key in uploads.values()
    ]
    assert sorted(told) == sorted((video_id, BROKEN_KINDS[kind]) for kind, video_id in uploads.items())


async def test_a_file_that_is_not_what_was_declared_is_refused_and_leaves_no_bytes(stage: Stage, clip: Path, tmp_path: Path) -> None:
    creator = await stage.person("fred")
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes()[:-1] + b"\x00")
    upload = await creator.start_upload(clip, request_id=new_request_id())
    await creator.send_parts(other, upload)
    await creator.complete_upload(upload["id"])
    last = await finished(creator, upload["id"])
    assert (last["stage"], last["failureCode"]) == ("FAILED", "CHECKSUM_MISMATCH")
    await until(lambda: _gone(stage, upload["id"]), what="no byte is left")


async def test_missing_parts_are_named_and_the_session_stays_open(stage: Stage, clip: Path) -> None:
    creator = await stage.person("fred")
    upload = await creator.start_upload(clip, request_id=new_request_id())
    with pytest.raises(ApiError) as refused:
        await creator.complete_upload(upload["id"])
    assert refused.value.code == "MISSING_PARTS"
    state = (await creator.query("query($id: ID!) { upload(id: $id) { state receivedParts { partNumber } } }", id=upload["id"]))["upload"]
    assert state == {"state": "OPEN", "receivedParts": []}
    await creator.mutate("abortUpload", "AbortUploadInput", "upload { state }", uploadId=upload["id"])
    await until(lambda: _gone(stage, upload["id"]), what="no byte is left")


async def test_what_can_be_refused_before_a_byte_is_sent_is(stage: Stage) -> None:
    creator = await stage.person("fred")
    for values, code in (
        ({"sizeBytes": "0", "mimeType": "video/mp4"}, "INVALID_REQUEST"),
        ({"sizeBytes": str(5 * 1024**3), "mimeType": "video/mp4"}, "FILE_TOO_LARGE"),
        ({"sizeBytes": "1000", "mimeType": "text/plain"}, "UNSUPPORTED_CONTENT_TYPE"),
        ({"sizeBytes": "1000", "mimeType": "video/mp4", "durationMs": 14_949}, "DURATION_TOO_SHORT"),
        ({"sizeBytes": "1000", "mimeType": "video/mp4", "durationMs": 600_051}, "DURATION_TOO_LONG"),
    ):
        before = await asyncio.to_thread(stage.blobs, "")
        with pytest.raises(ApiError) as refused:
            await creator.mutate("startUpload", "StartUploadInput", "upload { id }", requestId=new_request_id(), **values)
        assert refused.value.code == code
        # Clips of other tests may still be at work, and their objects come and go.
        assert _whose(await asyncio.to_thread(stage.blobs, "")) <= _whose(before)


@pytest.mark.parametrize(("ending", "demuxer"), [(".webm", "mp4"), (".mp4", "matroska")])
async def test_what_a_file_is_decide_its_bytes_and_not_what_it_is_called(
    stage: Stage, clip: Path, tmp_path: Path, ending: str, demuxer: str
) -> None:
    creator = await stage.person("mime")
    misnamed = tmp_path / f"clip{ending}"
    command = [str(locate_tools().ffmpeg), "-v", "error", "-nostdin", "-i", str(clip), "-c", "copy", "-f", demuxer, str(misnamed)]
    await asyncio.to_thread(lambda: subprocess.run(command, check=True, timeout=60))
    upload = await creator.upload(misnamed, request_id=new_request_id())
    last = await finished(creator, upload["id"])
    assert (last["stage"], last["playable"], last["failureCode"]) == ("DONE", True, None)
    video = await video_of(creator, upload["id"])
    assert video is not None
    answer = await creator.fetch(video["playback"]["mp4Url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")


def _whose(names: Sequence[str]) -> set[str]:
    """Ids of the videos that objects belong to; the name itself of one that names none."""
    return {found for name in names for found in _VIDEO_ID.findall(name) or [name]}


async def _gone(stage: Stage, video_id: str) -> bool:
    return not await asyncio.to_thread(stage.blobs, video_id)
