"""A whole system in a temporary folder on a free port, and one person who uploads to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.plan import Plan
from bench.player import DoesNotPlay, first_picture
from devstack.client import Api, new_request_id
from devstack.layout import Layout
from devstack.ports import free_port
from devstack.system import Mode, System
from svc_video.processing.media import MediaTools

POLL_S, PATIENT_POLL_S = 0.05, 0.1
"""Between two looks of the owner: until something plays, and after that. Their page is told by a subscription; looks cost the machine that is measured."""
_WATCH = (
    "query($id: ID!) { video(id: $id) { state failureCode playback { refusal mp4Url startPlaylistUrl growingPlaylistUrl renditions } } }"
)
_OVER = frozenset({"FAILED", "REJECTED"})
_QUICK = {"CLIPMESH_TESTING": "1", "CLIPMESH_PASSWORD_MEMORY_KIB": "1024"}


class NotPlayable(Exception):
    """The clip will never be playable; the text is what the system said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What the owner of one upload saw, in seconds after the last byte was answered."""

    acknowledged_s: float
    """completeUpload answered."""
    playable_s: float
    """The owner's player had decoded a first picture: of the playlist that grows, or of the whole one if that came first."""
    was_growing: bool
    """The rest of the clip was still being made then."""
    whole_s: float
    """The MP4 of the first rendition was there, to its last byte."""
    whole_bytes: bytes


@asynccontextmanager
async def running(
    plan: Plan, name: str, *, workers: int = 1, mode: Mode = Mode.PROCESSES, stores: Mapping[str, str] | None = None
) -> AsyncIterator[System]:
    """A system that serves, in a folder of its own; its services share one process where only the way is shown. `stores` are URLs of servers."""
    layout = Layout(folder=plan.folder / name, port=free_port(), stores=stores or {}, settings=plan.size({}, _QUICK))
    async with System(layout=layout, mode=plan.size(mode, Mode.SINGLE), workers=workers) as system:
        yield system


async def upload_once(system: System, clip: Path, tools: MediaTools, *, who: str = "olga") -> Moments:
    """Sign up, upload a clip, play it as its owner. Raises NotPlayable, ApiError."""
    owner = Api(system.layout.origin)
    try:
        await owner.sign_up(who, "olga-owns-this-clip", display_name="Olga", consents=[], request_id=new_request_id())
        await owner.sign_in(who, "olga-owns-this-clip")
        session = await owner.start_upload(clip, request_id=new_request_id())
        await owner.send_parts(clip, session)
        last_byte = time.perf_counter()
        await owner.complete_upload(session["id"])
        acknowledged_s = time.perf_counter() - last_byte
        playable_s, was_growing, whole_s, content = await _play(owner, tools, system.layout.folder, session["id"], last_byte)
    finally:
        await owner.close()
    return Moments(acknowledged_s=acknowledged_s, playable_s=playable_s, was_growing=was_growing, whole_s=whole_s, whole_bytes=content)


async def _play(owner: Api, tools: MediaTools, folder: Path, video_id: str, since: float) -> tuple[float, bool, float, bytes]:
    """Ask as a player would until something plays, then until the MP4 is whole."""
    playable_s, was_growing = 0.0, False
    while True:
        video = (await owner.query(_WATCH, id=video_id))["video"]
        if video is None or video["state"] in _OVER:
            raise NotPlayable("the video is gone" if video is None else f"{video['state']}: {video['failureCode']}")
        playback = video["playback"] or {}
        if not playable_s and (url := playback.get("startPlaylistUrl") or playback.get("growingPlaylistUrl")):
            with contextlib.suppress(DoesNotPlay):
                await first_picture(owner, tools, url, folder)
                playable_s, was_growing = time.perf_counter() - since, not playback.get("startPlaylistUrl")
        if url := playback.get("mp4Url"):
            answer = await owner.fetch(url)
            if answer.is_success:
                return playable_s, was_growing, time.perf_counter() - since, answer.content
        await asyncio.sleep(PATIENT_POLL_S if playable_s else POLL_S)
