"""`clipmesh demo`: the whole system with people, clips and viewers, or the same as a self-checking run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from devstack.audience import SWIPES, let_audience_watch
from devstack.cast import AUDIENCE, MODERATOR, SIGN_INS
from devstack.checks import Check, ClientChecks
from devstack.client import Api, ApiError
from devstack.drawing import DrawingFailed
from devstack.layout import Layout
from devstack.seeding import Sower, Sown, sign_everybody_up
from devstack.sources import NoVideos, Source, Uploaded, file_sources, generated_sources
from devstack.system import StartRefused, System
from devstack.up import addresses, drain, start_unless, stop_signal

_INTERRUPTED = 130


class DemoFailed(Exception):
    """Filling the system did not work; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked on the command line."""

    videos: Path | None = None
    exit_after: bool = False
    as_json: bool = False
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did, for people and machines."""

    sown: Sown
    watches: int
    checks: Sequence[Check]
    all_wanted: bool
    """True when a refused clip is a failure: ours all have to come through, a file of the user may be refused."""
    ready_s: float
    first_playable_s: float
    """From the command to the first clip that plays, in seconds."""
    took_s: float

    @property
    def ok(self) -> bool:
        """True when something was published, nothing of ours was refused and every check held."""
        return bool(self.sown.published) and not (self.all_wanted and self.sown.refused) and all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "ok": self.ok,
            "published": len(self.sown.published),
            "refused": {label: {"code": error.code, "message": error.message} for label, error in self.sown.refused.items()},
            "ready_s": round(self.ready_s, 2),
            "first_playable_s": round(self.first_playable_s, 2),
            "progress_updates": self.sown.progress_updates,
            "watches": self.watches,
            "took_s": round(self.took_s, 2),
            "checks": [check.as_json() for check in self.checks],
        }


async def run(layout: Layout, options: Options) -> int:
    """Start, fill, then either wait for Ctrl-C or check and stop. Raises StartRefused, DemoFailed."""
    console = Console(highlight=False, quiet=options.as_json)
    sources = await asyncio.to_thread(_sources, layout, options)
    demo = Demo(layout=_with_moderator(layout), options=options, console=console, sources=sources, began=time.monotonic())
    system = System(layout=demo.layout, workers=options.workers)
    with stop_signal() as stop:
        console.print("Starting ...")
        if not await start_unless(stop, system):
            return _INTERRUPTED
        watcher = asyncio.create_task(system.watch())
        try:
            console.print(f"[bold]Clipmesh is up[/bold] after {demo.so_far_s:.1f} s.\n")
            return await demo.until(stop)
        finally:
            watcher.cancel()
            await drain(console, system)


def _sources(layout: Layout, options: Options) -> list[Source]:
    try:
        return generated_sources(layout.folder / "demo-clips") if options.videos is None else file_sources(options.videos)
    except NoVideos as error:
        raise StartRefused(f"--videos: {error}") from error
    except OSError as error:
        raise StartRefused(f"{layout.folder} cannot be used ({error.strerror}); choose another with --folder") from error


def _with_moderator(layout: Layout) -> Layout:
    return replace(layout, settings={"CLIPMESH_BOOTSTRAP_ROLES": f"{MODERATOR}:moderator", **layout.settings})


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run on a system that is up."""

    layout: Layout
    options: Options
    console: Console
    sources: Sequence[Source]
    began: float

    @property
    def so_far_s(self) -> float:
        """Time since the command, in seconds."""
        return time.monotonic() - self.began

    async def until(self, stop: asyncio.Event) -> int:
        """Fill the system, report, and stay until `stop` unless asked to exit; the exit status."""
        work = asyncio.create_task(self._fill_and_check())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self.console.print("\nStopping; the next start goes on where this one was.")
                return _INTERRUPTED if self.options.exit_after else 0
            summary = await _result(work)
            self._report(summary)
            if self.options.exit_after:
                return 0 if summary.ok else 1
            self.console.print(_welcome(self.layout))
            await stop.wait()
            return 0
        finally:
            for task in (work, stopped):
                task.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)

    async def _fill_and_check(self) -> Summary:
        ready_s = self.so_far_s
        apis = await sign_everybody_up(self.layout.origin)
        try:
            sown, watches = await self._fill(apis)
            checks: Sequence[Check] = ()
            if self.options.exit_after and sown.published:
                self.console.print("\nLooking at it as a client would ...")
                checks = await self._check(sown)
            return Summary(
                sown=sown,
                watches=watches,
                checks=checks,
                all_wanted=self.options.videos is None,
                ready_s=ready_s,
                first_playable_s=max(0.0, sown.first_playable_at - self.began),
                took_s=self.so_far_s,
            )
        finally:
            await asyncio.gather(*(api.close() for api in apis.values()))

    async def _fill(self, apis: dict[str, Api]) -> tuple[Sown, int]:
        with progress_bars(self.console) as progress:
            sower = Sower(
                apis=apis,
                progress=progress,
                uploaded=Uploaded(self.layout.folder / "demo.json"),
                on_first_playable=lambda: self.console.print(f"The first clip plays after {self.so_far_s:.0f} s: {self.layout.origin}/\n"),
            )

            async def watch() -> int:
                await sower.settled.wait()
                viewers = progress.add_task("viewers", total=len(AUDIENCE) * SWIPES, step="watch")
                watches = await let_audience_watch(apis, lambda: progress.advance(viewers))
                progress.update(viewers, step=f"[green]{watches} watches[/green]")
                progress.stop_task(viewers)
                return watches

            async with asyncio.TaskGroup() as group:
                watching = group.create_task(watch())
                sowing = group.create_task(sower.sow(self.sources))
        return sowing.result(), watching.result()

    async def _check(self, sown: Sown) -> Sequence[Check]:
        viewer = Api(self.layout.origin)
        try:
            name = f"guest{int(time.time())}"
            password = f"watch-{name}-clips"
            await viewer.sign_up(name, password, display_name="A guest", consents=["PERSONALISATION"], request_id=name)
            await viewer.sign_in(name, password)
            return await ClientChecks(viewer=viewer, expected=frozenset(sown.published)).all()
        finally:
            await viewer.close()

    def _report(self, summary: Summary) -> None:
        if self.options.as_json:
            print(json.dumps(summary.as_json(), indent=1))
            return
        sown, say = summary.sown, self.console.print
        say(
            f"\n{len(sown.published)} clips are public, the first played {summary.first_playable_s:.0f} s after the start; "
            f"{summary.watches} watches by simulated viewers; {summary.took_s:.0f} s in all."
        )
        for label, error in sown.refused.items():
            say(f"  [red]refused[/red] {escape(label)}: {escape(error.message)} [dim]({error.code})[/dim]", soft_wrap=True)
        for check in summary.checks:
            say(f"  {'[green]ok  [/green]' if check.ok else '[red]FAIL[/red]'} {check.name}: {escape(check.detail)}", soft_wrap=True)


async def _result(work: asyncio.Task[Summary]) -> Summary:
    try:
        return await work
    except* (ApiError, DrawingFailed, OSError) as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise DemoFailed(str(first)) from group


def progress_bars(console: Console) -> Progress:
    """One line a clip: name, bar, percent, what it does, time; narrow enough for 80 columns."""
    return Progress(
        TextColumn("{task.description}", table_column=Column(width=20, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[step]}", table_column=Column(width=22, no_wrap=True, overflow="ellipsis")),
        TimeElapsedColumn(),
        console=console,
        disable=console.quiet,
    )


def _welcome(layout: Layout) -> str:
    people = "\n".join(
        f"  {person.handle:<8} password {person.password}{'   (moderator)' if person.handle == MODERATOR else ''}" for person in SIGN_INS
    )
    return f"\n{addresses(layout)}\n\nSign in as\n{people}\n\nCtrl-C stops it; nothing acknowledged is lost."
