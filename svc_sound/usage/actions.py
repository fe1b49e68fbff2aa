"""What can be asked about usage."""

from __future__ import annotations

from collections.abc import Sequence

from svc_sound.usage.store import UsageStore, VideoPage


class UsageActions:
    """Videos of a sound and how many there are."""

    def __init__(self, *, store: UsageStore) -> None:
        self._store = store

    async def count(self, sound_ids: Sequence[int]) -> dict[int, int]:
        """How many public videos use each sound; every id asked has an answer."""
        return await self._store.counts(sound_ids)

    async def videos_of(self, sound_id: int, *, after: str, limit: int) -> VideoPage:
        """Public videos of a sound, newest first: `limit` of them unless the list ends."""
        found: list[int] = []
        while True:
            page = await self._store.page(sound_id, after=after, limit=limit - len(found))
            found += page.video_ids
            after = page.next
            if len(found) >= limit or not after:
                return VideoPage(tuple(found), after)
