"""The folder that keeps what was fetched: each part appears whole or not at all, and two runs do not fetch it twice."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devstack.servers.refusals import FetchFailed

VARIABLE: Final = "CLIPMESH_SERVERS_CACHE"
"""Where fetched servers are kept; ~/.cache/clipmesh/servers without it."""


def cache_folder() -> Path:
    """Where fetched servers are kept."""
    named = os.environ.get(VARIABLE, "")
    return Path(named).absolute() if named else Path.home() / ".cache" / "clipmesh" / "servers"


class Cache:
    """Fetched things by name. A name holds its version: what it stands for never changes."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_folder()

    def holds(self, name: str) -> bool:
        """True when `name` was fetched before."""
        return (self.root / name).is_dir()

    def folder(self, name: str, fetch: Callable[[Path], None]) -> Path:
        """The folder of `name`; when it is not there, `fetch` fills an empty one, which gets the name once it is whole.

        Raises what `fetch` raises, and FetchFailed when the cache cannot be written; then nothing has the name.
        """
        place = self.root / name
        if place.is_dir():
            return place
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._alone(name):
                if not place.is_dir():
                    self._fill(place, fetch)
        except OSError as error:
            raise FetchFailed(f"{self.root} cannot be used ({error.strerror}); name another folder in {VARIABLE}") from error
        return place

    def _fill(self, place: Path, fetch: Callable[[Path], None]) -> None:
        # Whoever holds the lock is alone: what lies there is of a fetch that was interrupted.
        for leftover in self.root.glob(f".{place.name}.partial-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{place.name}.partial-", dir=self.root))
        try:
            fetch(partial)
            partial.chmod(0o755)
            partial.rename(place)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with (self.root / f".{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
