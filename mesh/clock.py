"""Wall and monotonic time behind a port, so that tests decide what time it is."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Protocol

_OFFSET = struct.Struct("<q")


class Clock(Protocol):
    """Where time comes from; nobody else asks the system."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since the Unix epoch; may step back."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some start; never steps back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Wall time of the machine in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Monotonic time of the machine in milliseconds."""
        return time.monotonic_ns() // 1_000_000


class OffsetClock:
    """The machine's clocks moved by an offset in a small file that several processes map: tests move them all at once."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _OFFSET.size:
                os.ftruncate(descriptor, _OFFSET.size)
            self._map = mmap.mmap(descriptor, _OFFSET.size)
        finally:
            os.close(descriptor)

    @property
    def offset_ms(self) -> int:
        """How far both clocks are moved, in milliseconds."""
        return int(_OFFSET.unpack(self._map[: _OFFSET.size])[0])

    def move(self, ms: int) -> None:
        """Move the clocks of every process that maps the file by `ms`."""
        self._map[: _OFFSET.size] = _OFFSET.pack(self.offset_ms + ms)

    def now_ms(self) -> int:
        """Wall time plus the offset, in milliseconds."""
        return time.time_ns() // 1_000_000 + self.offset_ms

    def monotonic_ms(self) -> int:
        """Monotonic time plus the offset, in milliseconds."""
        return time.monotonic_ns() // 1_000_000 + self.offset_ms


def open_clock(value: str, *, testing: bool) -> Clock:
    """The clock that `CLIPMESH_CLOCK` names: empty for the system's, `file:PATH` for a shared offset, which only tests may use."""
    if not value:
        return SystemClock()
    kind, _, path = value.partition(":")
    if kind != "file" or not path:
        raise ValueError(f"CLIPMESH_CLOCK={value!r} is not understood: leave it empty or use file:PATH")
    if not testing:
        raise ValueError("CLIPMESH_CLOCK=file:... moves time and needs CLIPMESH_TESTING=1")
    return OffsetClock(Path(path))
