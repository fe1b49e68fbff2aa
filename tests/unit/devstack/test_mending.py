"""`clipmesh dead-letters` and `rewind` against a service that really serves, in a folder as a running system keeps it."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clipmesh.video.v1.events_pb2 import MediaFailed

from devstack import mending
from devstack.keys import make_keys
from devstack.looking import counted
from devstack.operating import Operating, operator_channels
from mesh.app import Process, ServiceSettings
from mesh.backbone import Backbone
from mesh.clock import SystemClock
from mesh.events.archive.rows import ArchivePosition
from mesh.events.consumers import Incoming, Rejected, VersionedRow
from mesh.secrets import Secrets
from mesh.server import Server
from mesh.store_settings import StoreSettings
from mesh.telemetry import Telemetry
from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import RedisServer
from tests.fixtures.redis import redis_server  # noqa: F401

Captured = pytest.CaptureFixture[str]


class Failures(VersionedRow):
    name = "failures"
    topics = ("video",)

    def __init__(self) -> None:
        self.handlers = {MediaFailed: self.failed}
        self.mended: set[int] = set()
        self.seen: list[int] = []

    async def failed(self, event: Incoming[MediaFailed]) -> None:
        self.seen.append(event.message.video_id)
        if event.message.video_id not in self.mended:
            raise Rejected("HOPELESS", "not yet [mended]")


@dataclass
class System:
    """A folder in which the video service runs, and no other."""

    folder: Path
    consumer: Failures
    event_ids: list[int]

    async def run(self, *words: str) -> int:
        """Exit status of a command."""
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers(dest="command")
        mending.declare(lambda name, text: commands.add_parser(name, help=text))
        return await mending.run(self.folder, parser.parse_args(words))


async def _archived(backbone: Backbone) -> bool:
    row = await backbone.tables.get(ArchivePosition, 0)
    return row is not None and row.archived == 2


@pytest.fixture
async def system(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[System]:  # noqa: F811
    with socket_folder() as folder:
        make_keys(folder / "run" / "secrets")
        (folder / "run" / "state.json").write_text("{}")
        secrets = Secrets.load(folder / "run" / "secrets" / "video.json")
        process = Process.of(
            settings=ServiceSettings(secrets=""), secrets=secrets, clock=SystemClock(), telemetry=Telemetry(service="video"), addresses={}
        )
        backbone = await Backbone.open(process, tables=f"sqlite:///{tmp_path}", redis=redis_server.url, events="", row_types=())
        event_ids = []
        for video_id in (1, 2):
            event = backbone.events.make(MediaFailed(video_id=video_id), key=str(video_id), key_version=1)
            event_ids.append(event.event_id)
            await backbone.tables.put(events=[event])
        stores = StoreSettings(secrets="", tables="", redis="", blobs=f"file://{tmp_path}/blobs", archive_every_ms=1)
        await backbone.archive(stores, topics=("video",))
        server = Server(services=(backbone.operator_service(),), secrets=secrets, clock=process.clock, telemetry=process.telemetry)
        try:
            await server.start(f"unix:{folder}/run/video.sock")
            consumer = Failures()
            backbone.consume(consumer)
            async with operator_channels(folder) as channels, asyncio.timeout(30):
                while (await Operating(channels, "video").groups())[0].dead_letters < 2 or not await _archived(backbone):
                    await asyncio.sleep(0.02)
            yield System(folder, consumer, event_ids)
        finally:
            await server.stop(drain_wait_ms=0, grace_ms=500)
            await backbone.close()
            await process.close()


async def test_dead_letters_are_listed_with_topic_type_and_reason(system: System, capsys: Captured) -> None:
    assert await system.run("dead-letters", "list", "video.failures") == 0
    told = capsys.readouterr().out
    for event_id, video_id in zip(system.event_ids, (1, 2), strict=True):
        assert f"video.failures {event_id} video MediaFailed of {video_id}\n  HOPELESS after 1 attempts, " in told
    assert "not yet [mended]" in told
    assert told.endswith("2 dead letters; mend the cause, then: clipmesh dead-letters replay\n")
    assert await system.run("dead-letters", "list", "video.failures", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["event_id"], one["topic"], one["type"], one["reason"], one["replayable"]) for one in listed] == [
        (event_id, "video", "clipmesh.video.v1.MediaFailed", "HOPELESS", True) for event_id in system.event_ids
    ]


async def test_a_service_that_does_not_answer_is_named_and_the_others_tell_theirs(system: System, capsys: Captured) -> None:
    assert await system.run("dead-letters", "--json") == 1
    told = capsys.readouterr()
    assert len(json.loads(told.out)) == 2
    assert [line.split(":")[1].strip() for line in told.err.splitlines()] == ["rights", "social", "sound", "feed"]


async def test_replays_tell_what_worked_and_what_did_not(system: System, capsys: Captured) -> None:
    first, second = system.event_ids
    system.consumer.mended = {2}
    assert await system.run("dead-letters", "replay", "video.failures") == 1
    told = capsys.readouterr()
    assert told.out == f"video.failures {second} replayed\n1 of 2 replayed\n"
    assert told.err.startswith(f"video.failures {first} REPLAY_FAILED: ")
    system.consumer.mended = {1, 2}
    assert await system.run("dead-letters", "replay", "video.failures", str(first)) == 0
    capsys.readouterr()
    assert await system.run("dead-letters", "list", "video.failures") == 0
    assert capsys.readouterr().out == "0 dead letters\n"
    assert await system.run("dead-letters", "replay", "video.failures", str(first)) == 1
    assert f"has no dead letter {first}" in capsys.readouterr().err


@pytest.mark.parametrize("group", ["failures", "video.failures"])
async def test_a_group_is_rewound_by_its_name_with_or_without_the_service(system: System, capsys: Captured, group: str) -> None:
    system.consumer.mended = {1, 2}
    assert await system.run("rewind", "video", group, "--to", "oldest") == 0
    assert capsys.readouterr().out == "video.failures took 2 events from the archive and reads video again\n"
    async with asyncio.timeout(15):
        while sorted(system.consumer.seen) != [1, 1, 1, 2, 2, 2]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("rewind", "video", "nobody", "--to", "1h"), "clipmesh: video: No consumer of the service has that name.\n"),
        (("dead-letters", "list", "video.nobody"), "clipmesh: video: No consumer of the service has that name.\n"),
        (("dead-letters", "replay", "video.nobody"), "clipmesh: video: No consumer of the service has that name.\n"),
        (("dead-letters", "list", "failures"), "clipmesh: clipmesh: 'failures' names no service; groups are called SERVICE.CONSUMER\n"),
    ],
)
async def test_unknown_names_are_said(system: System, capsys: Captured, words: tuple[str, ...], complaint: str) -> None:
    assert await system.run(*words) == 1
    assert capsys.readouterr().err == complaint
    assert sorted(system.consumer.seen) == [1, 2]


async def test_without_a_running_system_there_is_nobody_to_ask(tmp_path: Path, capsys: Captured) -> None:
    assert await System(tmp_path, Failures(), []).run("dead-letters") == 2
    assert capsys.readouterr().err == f"clipmesh: nothing runs in {tmp_path}\n"


def test_moments_are_read_as_people_write_them() -> None:
    now_ms = time.time() * 1_000
    assert mending.moment("oldest") == 0
    for text, ago_ms in (("45s", 45_000), ("90m", 5_400_000), ("2h", 7_200_000), ("3d", 259_200_000)):
        assert abs(now_ms - ago_ms - mending.moment(text)) < 5_000
    assert mending.moment("2026-01-31T08:00") == mending.moment("2026-01-31T09:00+01:00") == 1_769_846_400_000
    for wrong in ("", "yesterday", "5", "-1h", "1w", "1969-01-01"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no moment"):
            mending.moment(wrong)


async def test_letters_of_one_kind_are_one_line(system: System) -> None:
    async with operator_channels(system.folder) as channels:
        letters = await Operating(channels, "video").letters("video.failures")
    (line,) = counted(letters)
    assert (line.group, line.topic, line.type, line.reason, line.count) == (
        "video.failures",
        "video",
        "clipmesh.video.v1.MediaFailed",
        "HOPELESS",
        2,
    )
