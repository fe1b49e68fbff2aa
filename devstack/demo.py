"""`clipmesh demo`: the whole system with people, clips and viewers, or the same as a self-checking run."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from devstack.cast import SIGN_INS
from devstack.checks import Check, ClientChecks
from devstack.client import Api
from devstack.layout import Layout
from devstack.seeding import Sower, Sown, file_sources, generated_sources, let_audience_watch, progress_bars, sign_everybody_up
from devstack.system import StartRefused, System
from devstack.up import addresses, stop_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked on the command line."""

    videos: Path | None = None
    exit_after: bool = False
    as_json: bool = False
    workers: int = 1


@dataclass(slots=True)
class Summary:
    """What a run did, for people and machines."""

    sown: Sown
    checks: list[Check]
    ready_s: float
    took_s: float

    @property
    def ok(self) -> bool:
        """True when something was published and every check held; a refused file of the user is no failure."""
        return bool(self.sown.published) and all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "ok": self.ok,
            "published": len(self.sown.published),
            "refused": self.sown.refused,
            "ready_s": round(self.ready_s, 2),
            "first_playable_s": round(self.sown.first_playable_s, 2),
            "progress_updates": self.sown.progress_updates,
            "watches": self.sown.watches,
            "took_s": round(self.took_s, 2),
            "checks": [check.as_json() for check in self.checks],
        }


async def run(layout: Layout, options: Options) -> int:
    """Start, fill, then either wait for Ctrl-C or check and stop."""
    console = Console(highlight=False, quiet=options.as_json)
    if options.videos is not None:
        if not await asyncio.to_thread(options.videos.is_dir):
            raise StartRefused(f"--videos {options.videos} is no folder")
        try:
            await asyncio.to_thread(file_sources, options.videos)
        except FileNotFoundError as error:
            raise StartRefused(str(error)) from error
    began = time.monotonic()
    with stop_signal() as stop:
        system = System(layout=_with_moderator(layout), workers=options.workers)
        async with system:
            ready_s = time.monotonic() - began
            console.print(f"[bold]Clipmesh is up[/bold] after {ready_s:.1f} s; feed page: {layout.origin}/")
            watcher = asyncio.create_task(system.watch())
            work = asyncio.create_task(_fill_and_check(layout, options, console, began, ready_s))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                console.print("Stopping; the next start goes on where this one was.")
                code = 130 if options.exit_after else 0
            else:
                summary = work.result()
                _report(summary, options)
                code = 0 if summary.ok else 1
                if not options.exit_after:
                    console.print(_welcome(layout))
                    await stop.wait()
                    code = 0
            stopped.cancel()
            watcher.cancel()
            console.print("Draining ...")
    return code


def _with_moderator(layout: Layout) -> Layout:
    settings = {"CLIPMESH_BOOTSTRAP_ROLES": "carla:moderator", **layout.settings}
    return Layout(folder=layout.folder, port=layout.port, settings=settings)


async def _fill_and_check(layout: Layout, options: Options, console: Console, began: float, ready_s: float) -> Summary:
    apis = await sign_everybody_up(layout.origin)
    try:
        sources = (
            generated_sources(layout.folder / "demo-clips")
            if options.videos is None
            else await asyncio.to_thread(file_sources, options.videos)
        )
        with progress_bars(console) as progress:
            sower = Sower(apis=apis, progress=progress)
            sown = await sower.sow(sources)
        if sown.published:
            console.print("Simulated viewers are watching ...")
            sown.watches = await let_audience_watch(apis)
        checks: list[Check] = []
        if options.exit_after and sown.published:
            checks = await _check(layout, sown)
        return Summary(sown=sown, checks=checks, ready_s=ready_s, took_s=time.monotonic() - began)
    finally:
        for api in apis.values():
            await api.close()


async def _check(layout: Layout, sown: Sown) -> list[Check]:
    viewer = Api(layout.origin)
    try:
        name = f"guest{int(time.time())}"
        password = f"watch-{name}-clips"
        await viewer.sign_up(name, password, display_name="A guest", consents=["PERSONALISATION"], request_id=name)
        await viewer.sign_in(name, password)
        return await ClientChecks(viewer=viewer, expected=frozenset(sown.published)).all()
    finally:
        await viewer.close()


def _report(summary: Summary, options: Options) -> None:
    if options.as_json:
        print(json.dumps(summary.as_json(), indent=1))
        return
    console = Console(highlight=False)
    sown = summary.sown
    console.print(
        f"\n{len(sown.published)} clips published, the first played {sown.first_playable_s:.1f} s after the first upload began; "
        f"{sown.watches} watches by simulated viewers; {summary.took_s:.0f} s in all."
    )
    for name, reason in sown.refused.items():
        console.print(f"  [red]refused[/red] {name}: {reason}")
    for check in summary.checks:
        console.print(f"  {'[green]ok  [/green]' if check.ok else '[red]FAIL[/red]'} {check.name}: {check.detail}")


def _welcome(layout: Layout) -> str:
    people = "\n".join(
        f"  {person.handle:<8} password {person.password}{'   (moderator)' if person.handle == 'carla' else ''}" for person in SIGN_INS
    )
    return f"\n{addresses(layout)}\n\nSign in as\n{people}\n\nCtrl-C stops it; nothing acknowledged is lost."
