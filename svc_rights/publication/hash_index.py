"""The block list in memory: every hash against every entry, 64 bits at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from svc_rights.publication.facts import HashMatch

HASH_BYTES = 32
MATCH_DISTANCE = 31
"""At most this many of 256 bits differ between two pictures that PDQ calls the same (its published threshold)."""


def _row(blocked: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(blocked, dtype=np.uint64)


class HashIndex:
    """Entries in one growing array; removal moves the last one into the gap."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self._places: dict[bytes, int] = {}
        self._entries: list[bytes] = []
        self._rows: NDArray[np.uint64] = np.zeros((64, HASH_BYTES // 8), dtype=np.uint64)
        self._snapshot: Snapshot | None = None
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: bytes) -> None:
        """Put a hash on the list; safe to repeat."""
        if entry in self._places:
            return
        count = len(self._entries)
        if count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[count] = _row(entry)
        self._places[entry] = count
        self._snapshot = None
        self._entries.append(entry)

    def remove(self, entry: bytes) -> None:
        """Take a hash off the list; safe to repeat."""
        place = self._places.pop(entry, None)
        if place is None:
            return
        self._snapshot = None
        last = self._entries.pop()
        if last != entry:
            self._entries[place] = last
            self._rows[place] = _row(last)
            self._places[last] = place

    def snapshot(self) -> Snapshot:
        """The list as it is now, copied once until it changes, for a search in a thread."""
        if self._snapshot is None:
            self._snapshot = Snapshot(rows=self._rows[: len(self._entries)].copy())
        return self._snapshot


class Snapshot:
    """An unchanging copy of the list."""

    def __init__(self, *, rows: NDArray[np.uint64]) -> None:
        self._rows = rows

    def match(self, hashes: Sequence[bytes]) -> HashMatch | None:
        """The nearest entry to any of the hashes, None when all are further than MATCH_DISTANCE."""
        nearest: HashMatch | None = None
        if not len(self._rows):
            return None
        for candidate in hashes:
            distances = np.bitwise_count(self._rows ^ _row(candidate)).sum(axis=1)
            place = int(distances.argmin())
            distance = int(distances[place])
            if distance <= MATCH_DISTANCE and (nearest is None or distance < nearest.distance):
                nearest = HashMatch(blocked=self._rows[place].tobytes(), distance=distance)
        return nearest
