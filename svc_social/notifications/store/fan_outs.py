"""Rows of publications on their way to followers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables, VersionConflict
from svc_social.notifications.tables import FanOut, OpenFanOut

SHARDS = 4
_READ_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutStore:
    """Repository of fan-outs."""

    tables: Tables

    async def begin(self, fan_out: FanOut) -> None:
        """Note that followers are to be told, once for each video."""
        try:
            await self.tables.insert(fan_out)
        except RowExists as exists:
            if exists.row.done:
                return
        except OutcomeUnknown as unknown:
            if not await self.tables.settle(unknown.token):
                await self.begin(fan_out)
                return
        await self.tables.put(_open(fan_out.video_id))

    async def open(self, shard: int) -> list[int]:
        """Videos whose fan-out is not done, oldest first, some at a time."""
        return [row.video_id for row in (await self.tables.scan(OpenFanOut, shard, limit=_READ_AT_ONCE)).rows]

    async def close(self, video_id: int) -> None:
        """Look at a fan-out no more."""
        await self.tables.delete(_open(video_id))

    async def get(self, video_id: int) -> FanOut | None:
        """The fan-out of a video."""
        return await self.tables.get(FanOut, video_id)

    async def go_on(self, fan_out: FanOut, *, after: str, told: int, done: bool, leased_until_ms: int) -> FanOut | None:
        """The fan-out further on; None when somebody else works at it."""
        moved = replace(fan_out, after=after, told=told, done=done, leased_until_ms=leased_until_ms)
        try:
            return await self.tables.transition(moved, expected_version=fan_out.version)
        except VersionConflict:
            return None


def shard_of(video_id: int) -> int:
    """Which queue a fan-out is in."""
    return (video_id >> 22) % SHARDS


def _open(video_id: int) -> OpenFanOut:
    return OpenFanOut(shard=shard_of(video_id), video_id=video_id, version=1)
