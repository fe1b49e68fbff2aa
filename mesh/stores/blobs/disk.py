"""Files that are there whole or not at all: drafts beside the store, synced, then renamed into place."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from pathlib import Path

from mesh.stores.blobs import trailer
from mesh.stores.blobs.port import BlobDamaged, BlobsUnavailable
from mesh.stores.blobs.trailer import Trailer

COPY_BYTES = 8 * 1024 * 1024
"""How much is copied between two looks at the deadline."""

_CANNOT_COPY_IN_KERNEL = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; one that another opener emptied and removed meanwhile has none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(root: Path, folder: Path) -> None:
    """Create what is missing between `root` and `folder`, each name durable in its parent."""
    at = root
    for name in folder.relative_to(root).parts:
        parent, at = at, at / name
        try:
            at.mkdir(mode=0o700)
        except FileExistsError:
            continue
        sync_folder(parent)


def check_stop(stop: threading.Event) -> None:
    """Raises BlobsUnavailable when the caller has given up."""
    if stop.is_set():
        raise BlobsUnavailable("the deadline passed; the write was undone")


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte: one call to the system may take fewer."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def copy_bytes(source: int, target: int, size_bytes: int, stop: threading.Event) -> None:
    """Copy the next `size_bytes` between open files inside the kernel, or through memory where it cannot."""
    left, in_kernel = size_bytes, hasattr(os, "copy_file_range")
    while left:
        check_stop(stop)
        try:
            copied = os.copy_file_range(source, target, min(left, COPY_BYTES)) if in_kernel else _copy_through_memory(source, target, left)
        except OSError as error:
            if not in_kernel or error.errno not in _CANNOT_COPY_IN_KERNEL:
                raise
            in_kernel = False
            continue
        if copied == 0:
            raise BlobDamaged("a stored file is damaged: it is shorter than it says")
        left -= copied


def _copy_through_memory(source: int, target: int, left: int) -> int:
    content = os.read(source, min(left, COPY_BYTES // 8))
    write_all(target, content)
    return len(content)


class Scratch:
    """The unfinished files of one opener: a folder of its own, locked while it lives, emptied by the next opener once it is dead."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lock on the parent closes the gap between making a folder and locking it, in which a cleaner would take it for dead.
        gate = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
            for folder in list(root.iterdir()):
                _remove_if_dead(folder)
            self._folder = root / secrets.token_hex(8)
            self._folder.mkdir(mode=0o700)
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            os.close(gate)

    def path(self) -> Path:
        """A name nobody uses, on the same file system as the store."""
        return self._folder / secrets.token_hex(12)

    def remove(self, folder: Path) -> None:
        """Delete a folder at once for every reader; its content goes after."""
        doomed = self.path()
        try:
            folder.rename(doomed)
        except FileNotFoundError:
            return
        sync_folder(folder.parent)
        shutil.rmtree(doomed, ignore_errors=True)

    def close(self) -> None:
        """Delete what is unfinished and let go of the lock; safe to repeat."""
        if self._lock >= 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _remove_if_dead(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


class Draft:
    """One file being written. `place` publishes it, `discard` leaves nothing; calls from several threads wait for one another."""

    def __init__(self, scratch: Scratch) -> None:
        self._path = scratch.path()
        self._descriptor = -1
        self._ended = False
        self._turn = threading.Lock()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0

    @property
    def md5(self) -> bytes:
        """MD5 of what was appended, which object stores call the etag."""
        return self._md5.digest()

    def append(self, content: bytes | memoryview) -> None:
        """Write more bytes and count them into the checksum."""
        with self._turn:
            write_all(self._open(), content)
            self._md5.update(content)
            self.size_bytes += len(content)

    def append_file(self, source: int, size_bytes: int, stop: threading.Event) -> None:
        """Write the next bytes of an open file without reading them here; their checksum has to be known from elsewhere."""
        with self._turn:
            copy_bytes(source, self._open(), size_bytes, stop)
            self.size_bytes += size_bytes

    def seal(self, facts: Trailer) -> None:
        """Write the trailer and make the bytes durable."""
        with self._turn:
            descriptor = self._open()
            write_all(descriptor, trailer.encode(facts))
            os.fsync(descriptor)

    def place(self, target: Path) -> None:
        """Rename a sealed draft to its name, durably. Raises FileNotFoundError when the folder is gone."""
        with self._turn:
            self._open()
            self._path.rename(target)
            self._end()
        sync_folder(target.parent)

    def discard(self) -> None:
        """Delete the draft unless it was placed; safe to repeat."""
        with self._turn:
            if self._descriptor >= 0:
                self._path.unlink(missing_ok=True)
            self._end()

    def _open(self) -> int:
        if self._ended:
            raise BlobsUnavailable("the write was given up")
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return self._descriptor

    def _end(self) -> None:
        self._ended = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
