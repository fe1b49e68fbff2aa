"""Folders for sockets: a unix socket's path is at most 107 bytes, however deep the folder for temporary files lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_PARENT = 48
"""Bytes; leaves room for the folder's own name and `run/<service>.sock` in it."""
_SHORT_PARENTS = ("/tmp", "/var/tmp")  # noqa: S108 the folder made there is private and has a random name


@contextmanager
def socket_folder() -> Iterator[Path]:
    """An empty folder with a short path, removed with all that is in it when the block ends."""
    parents = (tempfile.gettempdir(), *_SHORT_PARENTS)
    short = (parent for parent in parents if len(os.fsencode(parent)) <= _LONGEST_PARENT and os.access(parent, os.W_OK))
    with tempfile.TemporaryDirectory(prefix="cm-", dir=next(short, None), ignore_cleanup_errors=True) as folder:
        yield Path(folder)
