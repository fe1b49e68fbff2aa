"""Fills a system through its public API: people, clips with progress bars, simulated viewers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from devstack.cast import AUDIENCE, SIGN_INS, Person, PlannedClip, plan_clips
from devstack.client import Api, ApiError, new_request_id
from devstack.clips import make_clip

VIDEO_ENDINGS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
UPLOADS_AT_ONCE = 3
SWIPES = 4
"""Clips that each simulated viewer sees; they watch in real time, as the abuse rules ask."""

FEED = """query($first: Int!, $after: String) { forYou(first: $first, after: $after) {
  edges { cursor viewToken sources node { id category durationMs caption } } pageInfo { hasNextPage } servedBy degraded } }"""


@dataclass(slots=True)
class Sown:
    """What a run of the demo made."""

    published: list[str] = field(default_factory=list)
    """Video ids whose processing ended well."""
    refused: dict[str, str] = field(default_factory=dict)
    """File name -> named reason."""
    first_playable_s: float = 0.0
    """From the start of seeding to the first clip that plays, in seconds."""
    watches: int = 0
    progress_updates: int = 0
    """Messages of the progress subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One clip to upload: made by a function or a file that stands already."""

    label: str
    creator: str
    caption: str
    hashtags: tuple[str, ...]
    category: str
    request_id: str
    file: Path
    planned: PlannedClip | None = None


def generated_sources(folder: Path) -> list[Source]:
    """The demo's own clips, made below `folder` when their turn comes."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Source(
            label=clip.caption.split(" #", 1)[0],
            creator=clip.creator,
            caption=clip.caption,
            hashtags=clip.hashtags,
            category=clip.category,
            request_id=f"demo-clip-{clip.seed}",
            file=folder / f"clip-{clip.seed}.mp4",
            planned=clip,
        )
        for clip in plan_clips()
    ]


def file_sources(folder: Path) -> list[Source]:
    """Every video file of a folder, creators in turn. Raises FileNotFoundError when there is none."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_ENDINGS and path.is_file())
    if not files:
        raise FileNotFoundError(f"{folder} has no file that ends in {', '.join(sorted(VIDEO_ENDINGS))}")
    return [
        Source(
            label=path.name,
            creator=SIGN_INS[number % len(SIGN_INS)].handle,
            caption=path.stem.replace("_", " ").replace("-", " ").strip() or path.name,
            hashtags=("demo",),
            category="UNSPECIFIED",
            request_id=f"demo-{path.name[:40]}-{path.stat().st_size}",
            file=path,
        )
        for number, path in enumerate(files)
    ]


async def sign_everybody_up(origin: str) -> dict[str, Api]:
    """Accounts and sessions of the whole cast, by handle."""
    apis: dict[str, Api] = {}

    async def enter(person: Person) -> None:
        api = Api(origin)
        apis[person.handle] = api
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
    """Uploads sources and publishes them, one progress bar each."""

    def __init__(self, *, apis: dict[str, Api], progress: Progress) -> None:
        self._apis = apis
        self._progress = progress
        self._gate = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._began = time.monotonic()
        self.sown = Sown()

    async def sow(self, sources: Sequence[Source]) -> Sown:
        """Make, upload, publish and wait for all; a refused file is told by its reason and stops nobody."""
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            made = {source.request_id: _making(pool, source) for source in sources}
            async with asyncio.TaskGroup() as group:
                for source in sources:
                    group.create_task(self._one(source, made[source.request_id]))
        return self.sown

    async def _one(self, source: Source, made: Callable[[], Any]) -> None:
        bar = self._progress.add_task(source.label, total=100, step="waits")
        try:
            async with self._gate:
                self._progress.update(bar, step="draws" if source.planned else "reads")
                await made()
                upload = await self._send(source, bar)
            api = self._apis[source.creator]
            await self._publish(api, source, upload["id"])
            await self._follow(api, source, upload["id"], bar)
        except ApiError as error:
            self.sown.refused[source.label] = error.code
            self._progress.update(bar, step=f"[red]{error.code}[/red]")

    async def _send(self, source: Source, bar: TaskID) -> dict[str, Any]:
        size = source.file.stat().st_size
        arrived = 0

        def sent(count: int) -> None:
            nonlocal arrived
            arrived += count
            self._progress.update(bar, completed=20 * arrived / size, step="uploads")

        return await self._apis[source.creator].upload(source.file, request_id=source.request_id, sent=sent)

    async def _publish(self, api: Api, source: Source, video_id: str) -> None:
        try:
            await api.publish(video_id, caption=source.caption, hashtags=list(source.hashtags), category=source.category)
        except ApiError as error:
            if error.code != "VIDEO_NOT_DRAFT":
                raise

    async def _follow(self, api: Api, source: Source, upload_id: str, bar: TaskID) -> None:
        async for state in api.progress(upload_id):
            self.sown.progress_updates += 1
            if state["playable"] and not self.sown.first_playable_s:
                self.sown.first_playable_s = time.monotonic() - self._began
            step = "plays, encodes on" if state["playable"] else state["stage"].lower().replace("_", " ")
            self._progress.update(bar, completed=20 + 0.8 * state["progressPercent"], step=step)
            if state["failureCode"]:
                raise ApiError(state["failureCode"], state["failureDetail"] or "")
        self.sown.published.append(upload_id)
        self._progress.update(bar, completed=100, step="[green]ready[/green]")


def _making(pool: ProcessPoolExecutor, source: Source) -> Callable[[], Any]:
    async def stands() -> None:
        if not source.file.is_file():
            raise FileNotFoundError(source.file)

    if source.planned is None or source.file.exists():
        return stands
    clip = source.planned
    future = asyncio.get_running_loop().run_in_executor(pool, _make_whole, source.file, clip.seed, clip.width, clip.height)

    async def drawn() -> None:
        await future

    return drawn


def _make_whole(file: Path, seed: int, width: int, height: int) -> None:
    partial = file.with_name(f"partial-{file.name}")
    make_clip(partial, seed=seed, width=width, height=height)
    partial.rename(file)


async def watch_for_a_while(api: Api, person: Person, *, swipes: int, rng: random.Random) -> int:
    """Swipe as a person with tastes would, in real time: favourites to the end, the rest skipped; returns how many watches were accepted."""
    accepted, cursor = 0, None
    for _ in range(swipes):
        page = (await api.query(FEED, first=1, after=cursor))["forYou"]
        if not page["edges"]:
            break
        edge = page["edges"][0]
        likes = edge["node"]["category"] in person.likes
        watched_ms = int(edge["node"]["durationMs"] * (rng.uniform(0.85, 1.0) if likes else rng.uniform(0.03, 0.3)))
        await asyncio.sleep(watched_ms / 1000)
        report = {
            "eventId": new_request_id(),
            "viewToken": edge["viewToken"],
            "watchedMs": watched_ms,
            "loops": 0,
            "paused": False,
            "at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        payload = await api.mutate("reportWatch", "ReportWatchInput", "outcomes", reports=[report])
        accepted += payload["outcomes"].count("ACCEPTED")
        cursor = edge["cursor"]
    return accepted


async def let_audience_watch(apis: dict[str, Api]) -> int:
    """Every simulated viewer swipes, all at once; returns the accepted watches."""
    counts = await asyncio.gather(
        *(
            watch_for_a_while(apis[person.handle], person, swipes=SWIPES, rng=random.Random(number))
            for number, person in enumerate(AUDIENCE)
        )
    )
    return sum(counts)


def progress_bars(console: Console) -> Progress:
    """One line a clip: name, bar, what it does, time."""
    return Progress(
        TextColumn("{task.description:<24.24}"),
        BarColumn(bar_width=36),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[step]:<18}"),
        TimeElapsedColumn(),
        console=console,
        disable=console.quiet,
    )
