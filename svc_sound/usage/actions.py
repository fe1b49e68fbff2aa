"""What can be asked about usage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from svc_sound.usage.store import UsageStore


@dataclass(frozen=True, slots=True)
class VideoPage:
    """One page of the videos of a sound."""

    video_ids: tuple[int, ...]
    last: int
    """The last of them when more follow; 0 at the end."""


class UsageActions:
    """Videos of a sound and how many there are."""

    def __init__(self, *, store: UsageStore) -> None:
        self._store = store

    async def count(self, sound_ids: Sequence[int]) -> dict[int, int]:
        """How many public videos use each sound; every id asked has an answer."""
        return await self._store.counts(sound_ids)

    async def videos_of(self, sound_id: int, *, before: int, limit: int) -> VideoPage:
        """`limit` public videos of a sound unless the list ends, newest first, those before a video (0: from the newest)."""
        found = await self._store.videos(sound_id, before=before, most=limit + 1)
        more = len(found) > limit
        return VideoPage(tuple(found[:limit]), found[limit - 1] if more else 0)
