"""The lock that makes one file belong to one process; the kernel lets go of it when the process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mesh.stores.tables.port import TablesInUse


class FileLock:
    """An exclusive lock beside the database file, held until `release`."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise TablesInUse(f"{database} is open in process {holder}; only one process opens a service's tables") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next process open the file; safe to repeat."""
        if self._descriptor is not None:
            # The file stays: removing it would let two processes lock two different files of one name.
            os.close(self._descriptor)
            self._descriptor = None
