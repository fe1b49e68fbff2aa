"""`clipmesh servers`: real servers for a try of the distributed engines, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devstack.folder import FolderInUse, FolderLock
from devstack.servers.cache import Cache
from devstack.servers.refusals import ServerRefused
from devstack.servers.running import RECIPES, Servers
from devstack.servers.server import Server

COMMAND: Final = "servers"
_LOOK_EVERY_S: Final = 0.5


def declare(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    servers = command(COMMAND, "fetch and start real servers on this machine, and print the settings with which `clipmesh up` uses them")
    servers.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(RECIPES)} (default: all)")


def run(folder: Path, arguments: argparse.Namespace) -> int:
    """Start them, print their URLs, wait for Ctrl-C, stop them; 0 after that, 1 when one ended by itself. Raises ServerRefused."""
    names = list(dict.fromkeys(arguments.names)) or list(RECIPES)
    if unknown := [name for name in names if name not in RECIPES]:
        raise ServerRefused(f"no server is called {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    with _owned(folder / "servers") as held, _interruptible():
        servers = Servers(folder / "servers", held=(held,), say=lambda words: print(words, flush=True))
        try:
            return _serve(servers, names)
        except KeyboardInterrupt:
            return 0
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            print("\nStopping ...", flush=True)
            servers.stop()
            print("Stopped.", flush=True)


def _serve(servers: Servers, names: Sequence[str]) -> int:
    began = time.monotonic()
    print(f"Starting {', '.join(names)}; what has to be fetched is kept in {Cache().root}", flush=True)
    servers.begin(names, durable=True)
    started = _started(servers, names)
    print(f"\nReady after {time.monotonic() - began:.0f} s, for this machine alone; their data is kept in {servers.folder}")
    print("In another terminal:\n")
    for server in started:
        print(f"  export {server.recipe.variable}={shlex.quote(server.url)}")
    every = "clipmesh up --engines distributed" if len(names) == len(RECIPES) else "clipmesh up        # the other stores stay embedded"
    print(f"  {every}\n\nCtrl-C stops them.", flush=True)
    while all(server.pid for server in started):
        time.sleep(_LOOK_EVERY_S)
    for server in started:
        if not server.pid:
            print(f"\n{server.name} ended by itself; see {server.place.folder / 'server.log'}", flush=True)
    return 1


def _started(servers: Servers, names: Sequence[str]) -> list[Server]:
    found: list[Server] = []
    refusals: list[str] = []
    for name in names:
        try:
            found.append(servers[name])
        except ServerRefused as refusal:
            refusals.append(f"{name}: {refusal}")
    if refusals:
        raise ServerRefused("\n".join(refusals))
    return found


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block, also where a shell that runs this in the background said to ignore the first."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _owned(folder: Path) -> Iterator[int]:
    """The folder for this command alone; a descriptor that says so as long as somebody holds it. Raises ServerRefused."""
    lock = FolderLock(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(lock.take())
    except OSError as error:
        raise ServerRefused(f"{folder} cannot be used ({error.strerror}); choose another with --folder") from error
    except FolderInUse as error:
        raise ServerRefused(f"{folder} is in use: {error}; stop it or choose another --folder") from error
    try:
        yield lock.lives
    finally:
        lock.release()
