"""Fills a system through its public API: people, and clips with a progress bar each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rich.progress import Progress, TaskID

from devstack.cast import AUDIENCE, SIGN_INS, Person
from devstack.client import Api, ApiError
from devstack.drawing import draw
from devstack.sources import Source, Uploaded

UPLOADS_AT_ONCE = 3
VERDICT_S = 20.0
"""How long the publish gate may take after a clip is whole, in seconds."""
_PUBLIC = frozenset({"READY", "RESTRICTED"})
_PENDING = frozenset({"PROCESSING", "DRAFT", "ASSESSING"})
_STAGES = {"QUEUED": "waits for a worker", "PROBING": "is examined", "ENCODING_FIRST": "first rendition", "DONE": "asks the gate"}
_SHARE_OF_UPLOAD = 20
"""How much of a bar the upload is, in percent."""


@dataclass(slots=True)
class Sown:
    """What came of the sources."""

    published: list[str] = field(default_factory=list)
    """Video ids that everybody may see."""
    refused: dict[str, ApiError] = field(default_factory=dict)
    """Label -> why it is not among them."""
    first_playable_at: float = 0.0
    """When the first clip played, by the monotonic clock; 0 before."""
    progress_updates: int = 0
    """Messages of the progress subscription."""


async def sign_everybody_up(origin: str) -> dict[str, Api]:
    """Accounts and sessions of the whole cast, by handle."""
    apis = {person.handle: Api(origin) for person in (*SIGN_INS, *AUDIENCE)}

    async def enter(person: Person) -> None:
        api = apis[person.handle]
        await api.sign_up(
            person.handle,
            person.password,
            display_name=person.display_name,
            consents=["PERSONALISATION", "ANALYTICS"],
            request_id=f"demo-{person.handle}",
        )
        await api.sign_in(person.handle, person.password)

    async with asyncio.TaskGroup() as group:
        for person in (*SIGN_INS, *AUDIENCE):
            group.create_task(enter(person))
    return apis


class Sower:
    """Uploads sources and publishes them."""

    def __init__(self, *, apis: dict[str, Api], progress: Progress, uploaded: Uploaded, on_first_playable: Callable[[], None]) -> None:
        self._apis = apis
        self._progress = progress
        self._uploaded = uploaded
        self._on_first_playable = on_first_playable
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._drawing = asyncio.Lock()
        self._unsettled = 0
        self.settled = asyncio.Event()
        """Set when every clip plays or was refused; further renditions may still be made."""
        self.sown = Sown()

    async def sow(self, sources: Sequence[Source]) -> Sown:
        """Make, upload, publish and wait for all; a refused one is told by its reason and stops nobody."""
        self._unsettled = len(sources)
        bars = [self._progress.add_task(source.label, total=100, step="waits", start=False) for source in sources]
        async with asyncio.TaskGroup() as group:
            for source, bar in zip(sources, bars, strict=True):
                group.create_task(self._one(source, bar))
        return self.sown

    async def _one(self, source: Source, bar: TaskID) -> None:
        settled = asyncio.Event()
        try:
            async with self._uploads:
                self._progress.start_task(bar)
                upload_id = await self._upload(source, bar)
            await self._publish(source, upload_id)
            await self._follow(source, upload_id, bar, settled)
            await self._verdict(source, upload_id)
            self.sown.published.append(upload_id)
            self._progress.update(bar, completed=100, step="[green]ready[/green]")
        except ApiError as error:
            self.sown.refused[source.label] = error
            self._progress.update(bar, step=f"[red]{error.code}[/red]")
            self._progress.stop_task(bar)
        finally:
            self._settle(settled)

    def _settle(self, settled: asyncio.Event) -> None:
        if settled.is_set():
            return
        settled.set()
        self._unsettled -= 1
        if not self._unsettled:
            self.settled.set()

    async def _upload(self, source: Source, bar: TaskID) -> str:
        api = self._apis[source.creator]
        known = self._uploaded.get(source)
        state = await _upload_state(api, known) if known else ""
        if state in {"COMPLETED", "FAILED"}:
            return known
        if source.planned is not None and not source.file.exists():
            async with self._drawing:
                self._progress.update(bar, step="is drawn")
                await draw(source.file, seed=source.planned.seed, width=source.planned.width, height=source.planned.height)
        size = max(1, (await asyncio.to_thread(source.file.stat)).st_size)
        arrived = 0

        def sent(count: int) -> None:
            nonlocal arrived
            arrived += count
            self._progress.update(bar, completed=_SHARE_OF_UPLOAD * arrived / size, step="uploads")

        # A session that ended without its file needs a new name, an open one goes on under its own.
        request_id = f"{source.request_id}-{known}" if known and state != "OPEN" else source.request_id
        upload = await api.upload(source.file, request_id=request_id, sent=sent)
        self._uploaded.note(source, upload["id"])
        return str(upload["id"])

    async def _publish(self, source: Source, video_id: str) -> None:
        try:
            await self._apis[source.creator].publish(
                video_id, caption=source.caption, hashtags=list(source.hashtags), category=source.category
            )
        except ApiError as error:
            if error.code != "VIDEO_NOT_DRAFT":
                raise

    async def _follow(self, source: Source, upload_id: str, bar: TaskID, settled: asyncio.Event) -> None:
        async with aclosing(self._apis[source.creator].progress(upload_id)) as states:
            async for state in states:
                self.sown.progress_updates += 1
                if state["failureCode"]:
                    raise ApiError(state["failureCode"], state["failureDetail"] or "the file was refused")
                if state["playable"]:
                    self._note_playable()
                    self._settle(settled)
                step = _STAGES.get(state["stage"], "plays, more sizes")
                done = _SHARE_OF_UPLOAD + (100 - _SHARE_OF_UPLOAD) * state["progressPercent"] / 100
                self._progress.update(bar, completed=done, step=step)

    def _note_playable(self) -> None:
        if not self.sown.first_playable_at:
            self.sown.first_playable_at = time.monotonic()
            self._on_first_playable()

    async def _verdict(self, source: Source, video_id: str) -> None:
        until = time.monotonic() + VERDICT_S
        while (state := await _video_state(self._apis[source.creator], video_id)) not in _PUBLIC:
            if state not in _PENDING or time.monotonic() > until:
                raise ApiError(state, "is not public: the gate did not allow it")
            await asyncio.sleep(0.1)


async def _upload_state(api: Api, upload_id: str) -> str:
    upload: dict[str, Any] | None = (await api.query("query($id: ID!) { upload(id: $id) { state } }", id=upload_id))["upload"]
    return upload["state"] if upload else ""


async def _video_state(api: Api, video_id: str) -> str:
    video: dict[str, Any] | None = (await api.query("query($id: ID!) { video(id: $id) { state } }", id=video_id))["video"]
    return video["state"] if video else "NOT_FOUND"
