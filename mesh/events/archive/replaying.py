"""Archived events given to a consumer again.

MeshError
└── FailedPrecondition
    ├── ArchiveUnreadable   an archived file is damaged; it is named
    └── NoArchive           this process was not told where the archive is
"""

from __future__ import annotations

from typing import Final

from mesh.errors import FailedPrecondition, InvalidPageToken
from mesh.events.archive.parquet import ArchiveDamaged
from mesh.events.archive.reading import ArchiveReader
from mesh.events.backoff import OUTAGES
from mesh.events.consumers import ConsumerGroup
from mesh.events.dead_letters import DeadLetters
from mesh.stores.blobs.port import BlobNotFound

EVENTS_A_STEP: Final = 500
"""So that a step stays within the deadline of a call even where each event takes a write."""


class ArchiveUnreadable(FailedPrecondition):
    """An archived file is not what was written; the events in it can only come from a copy of the blob store."""

    reason = "ARCHIVE_DAMAGED"


class NoArchive(FailedPrecondition):
    """This process was not told where the archive is."""

    reason = "NO_ARCHIVE"


class ArchiveReplay:
    """Replays in steps: each says where the next goes on, so that whoever drives it may stop and come back."""

    def __init__(self, *, reader: ArchiveReader, letters: DeadLetters) -> None:
        self._reader = reader
        self._letters = letters

    async def step(self, group: ConsumerGroup, *, from_ms: int, after: str) -> tuple[int, str]:
        """How many events were applied, and where to go on, empty at the end. What a consumer refuses becomes a dead letter, as in the stream.

        Raises ArchiveUnreadable, InvalidPageToken, and what tells of an outage: the same step again is safe.
        """
        under_way, _, done = after.partition("#")
        offset = int(done or 0)
        types = {kind.DESCRIPTOR.full_name for kind in group.consumer.handlers}
        try:
            if offset:
                page = await self._reader.file(under_way, from_ms=from_ms)
            else:
                page = await self._reader.page(tuple(group.consumer.topics), types=types, from_ms=from_ms, after=under_way)
        except ArchiveDamaged as error:
            raise ArchiveUnreadable(str(error)) from error
        except BlobNotFound as error:
            raise InvalidPageToken("the file of this replay is gone; begin anew") from error
        applied = 0
        for envelope in page.envelopes[offset : offset + EVENTS_A_STEP]:
            try:
                applied += await group.apply(envelope)
            except OUTAGES:
                raise
            except Exception as error:
                await self._letters.bury(group.group, envelope=envelope.SerializeToString(), event=envelope, error=error, attempts=1)
        offset += EVENTS_A_STEP
        return applied, f"{page.next}#{offset}" if offset < len(page.envelopes) else page.next
