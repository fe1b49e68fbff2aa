"""`clipmesh up`: the system without seed data, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from devstack.layout import Layout
from devstack.system import System


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C changes nothing, draining goes on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def addresses(layout: Layout) -> str:
    """The addresses a person opens."""
    rows = (
        ("Feed", "/"),
        ("Upload", "/upload"),
        ("Studio", "/studio"),
        ("Review desk", "/review"),
        ("GraphiQL", "/graphql"),
        ("Metrics", "/metrics"),
    )
    return "\n".join(f"  {name:<12} [link={layout.origin}{path}]{layout.origin}{path}[/link]" for name, path in rows)


async def start_unless(stop: asyncio.Event, system: System) -> bool:
    """Start a system; False when `stop` came first, and then nothing runs. Raises StartRefused."""
    starting = asyncio.create_task(system.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return False
    await starting
    return True


async def drain(console: Console, system: System) -> None:
    """Stop a system and say what did not end by itself."""
    console.print("Draining ...")
    await system.stop()
    for name in system.killed:
        console.print(f"[yellow]{name} did not end in time and was killed[/yellow]; its work is taken up at the next start.")
    console.print("Stopped.")


async def run(layout: Layout, *, workers: int) -> int:
    """Start, print the addresses, wait for Ctrl-C, drain."""
    console = Console(highlight=False)
    system = System(layout=layout, workers=workers)
    with stop_signal() as stop:
        if not await start_unless(stop, system):
            return 0
        watcher = asyncio.create_task(system.watch())
        try:
            console.print(
                f"\n[bold]Clipmesh is up.[/bold] Data in {layout.folder}\n\n{addresses(layout)}\n\n"
                "Ctrl-C stops it; nothing acknowledged is lost."
            )
            await stop.wait()
        finally:
            watcher.cancel()
            await drain(console, system)
    return 0
