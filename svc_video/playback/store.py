"""Rows of playback: the only place of this area that touches the tables port."""

from __future__ import annotations

from dataclasses import replace

from mesh.errors import Aborted
from mesh.stores.tables.port import Insert, OutcomeUnknown, Page, RowExists, Tables, Transition, VersionConflict
from svc_video.playback.tables import HEAD, REVOCATION_SHARD, Revocation

_ATTEMPTS = 64


class RevocationStore:
    """Appends to and reads the list of revocations."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def append(self, *, video_id: int, epoch: int, expires_at_ms: int) -> int:
        """Add an entry behind all others; answers its position."""
        for _ in range(_ATTEMPTS):
            head = await self._tables.get(Revocation, REVOCATION_SHARD, HEAD)
            position = 1 if head is None else head.last + 1
            first = Revocation(shard=REVOCATION_SHARD, position=HEAD, last=position)
            step = Insert(first) if head is None else Transition(replace(head, last=position), head.version)
            entry = Revocation(shard=REVOCATION_SHARD, position=position, video_id=video_id, epoch=epoch, expires_at_ms=expires_at_ms)
            try:
                await self._tables.commit(step, Insert(entry))
            except (RowExists, VersionConflict):
                continue
            except OutcomeUnknown as unknown:
                if not await self._tables.settle(unknown.token):
                    continue
            return position
        raise Aborted("too many revocations at once; try again")

    async def last_position(self) -> int:
        """The last position given; 0 when there was none."""
        head = await self._tables.get(Revocation, REVOCATION_SHARD, HEAD)
        return 0 if head is None else head.last

    async def page_after(self, position: int, *, limit: int) -> Page[Revocation]:
        """Entries behind a position that are still in force, in order."""
        return await self._tables.scan(Revocation, REVOCATION_SHARD, first=(max(position, HEAD) + 1,), limit=limit)
