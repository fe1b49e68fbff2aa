"""One data folder belongs to one running system: a lock for its keeper, another that every process it started holds while it lives."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

LINGER_S = 20.0
"""How long the processes of a killed run may take to end, in seconds; longer than any of them drains."""


class FolderInUse(Exception):
    """Somebody else works in the folder; the text says who."""


class FolderLock:
    """Held from `take` to `release`."""

    def __init__(self, run: Path) -> None:
        self._keeper_file = run / "lock"
        self._lives_file = run / "lives.lock"
        self._keeper = -1
        self.lives = -1
        """Descriptor for children to keep open; the kernel forgets the lock when the last of them is gone."""

    async def take(self) -> None:
        """Lock the folder, waiting for the processes of a killed run to end. Raises FolderInUse, and then nothing is held."""
        self._keeper = os.open(self._keeper_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locked(self._keeper):
                raise FolderInUse("another clipmesh runs in it")
            self.lives = os.open(self._lives_file, os.O_RDWR | os.O_CREAT, 0o600)
            deadline = asyncio.get_running_loop().time() + LINGER_S
            while not _locked(self.lives):
                if asyncio.get_running_loop().time() > deadline:
                    raise FolderInUse(f"processes of an earlier run did not end within {LINGER_S:.0f} s")
                await asyncio.sleep(0.1)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go; safe to repeat."""
        for descriptor in (self.lives, self._keeper):
            if descriptor >= 0:
                os.close(descriptor)
        self._keeper = self.lives = -1


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
