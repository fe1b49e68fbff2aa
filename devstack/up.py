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


async def run(layout: Layout, *, workers: int) -> int:
    """Start, print the addresses, wait for Ctrl-C, drain."""
    console = Console(highlight=False)
    with stop_signal() as stop:
        async with System(layout=layout, workers=workers) as system:
            console.print(
                f"\n[bold]Clipmesh is up.[/bold] Data in {layout.folder}\n\n{addresses(layout)}\n\nCtrl-C stops it; nothing acknowledged is lost."
            )
            watcher = asyncio.create_task(system.watch())
            await stop.wait()
            watcher.cancel()
            console.print("Draining ...")
    console.print("Stopped.")
    return 0
