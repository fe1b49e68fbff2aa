"""Reading the archive: events come again from it, from a moment on, however long the stream has forgotten them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.clock import Clock
from mesh.events.archive.parquet import decode
from mesh.events.archive.places import Place, day_of, type_prefix
from mesh.stores.blobs.port import BlobNotFound, Blobs

_DAY = timedelta(days=1)
"""Also how far the clocks of those who wrote may have been ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePage:
    """The events of one file."""

    envelopes: tuple[EventEnvelope, ...]
    """May be empty though more follow."""
    next: str
    """Where to go on; empty at the end."""


class ArchiveReader:
    """What archivers wrote, type after type, day after day; within a file in the order of their outbox.

    An event may come twice, and another order than the stream's is possible between types: consumers ignore what is not newer.
    """

    def __init__(self, *, blobs: Blobs, key: bytes, clock: Clock) -> None:
        self._blobs = blobs
        self._key = key
        self._clock = clock

    async def page(self, topics: Sequence[str], *, types: Collection[str], from_ms: int, after: str = "") -> ArchivePage:
        """The events of the next file that may hold some of `types` which happened at or after `from_ms`.

        `after` is `next` of the page before. Raises ArchiveDamaged, and what the blob store raises.
        """
        folders = [type_prefix(topic, name) for topic in topics for name in sorted(types)]
        behind = Place.parse(after)
        if behind is not None and (folder := type_prefix(behind.topic, behind.type)) in folders:
            folders = folders[folders.index(folder) :]
        for folder in folders:
            place = await self._next(folder, from_ms, after if after.startswith(folder) else "")
            if place is not None:
                return ArchivePage(envelopes=await self._events(place, from_ms), next=place.key)
        return ArchivePage(envelopes=(), next="")

    async def file(self, key: str, *, from_ms: int) -> ArchivePage:
        """The events of one file, as `page` gave them. Raises BlobNotFound, ArchiveDamaged, and what the blob store raises."""
        place = Place.parse(key)
        if place is None:
            raise BlobNotFound(key)
        return ArchivePage(envelopes=await self._events(place, from_ms), next=key)

    async def _next(self, folder: str, from_ms: int, after: str) -> Place | None:
        """The first file of a type behind `after`: looked for day by day, so that a listing is as long as a day."""
        oldest = await self._blobs.list(folder, limit=1)
        begun = next((place.day for blob in oldest.blobs if (place := Place.parse(blob.key)) is not None), None)
        if begun is None:
            return None
        gone_on = Place.parse(after)
        day = max(begun, day_of(from_ms), gone_on.day if gone_on is not None else begun)
        while day <= day_of(self._clock.now_ms()) + _DAY:
            async for key in self._keys(f"{folder}{day.isoformat()}/"):
                if key > after and (place := Place.parse(key)) is not None:
                    return place
            day += _DAY
        return None

    async def _keys(self, prefix: str) -> AsyncIterator[str]:
        cursor = ""
        while True:
            page = await self._blobs.list(prefix, after=cursor)
            for blob in page.blobs:
                yield blob.key
            cursor = page.next
            if not cursor:
                return

    async def _events(self, place: Place, from_ms: int) -> tuple[EventEnvelope, ...]:
        with tempfile.TemporaryDirectory(prefix="cm-archive-") as folder:
            path = Path(folder) / "file"
            await self._blobs.get_file(place.key, path)
            content = await asyncio.to_thread(path.read_bytes)
        found = await asyncio.to_thread(decode, content, key=self._key)
        return tuple(envelope for envelope in found if envelope.occurred_at_ms >= from_ms)
