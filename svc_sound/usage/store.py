"""Rows of usage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mesh.stores.tables.port import Tables
from svc_sound.usage.tables import SoundUse, VideoSound

COUNT_PAGE, SCAN_PAGE = 1000, 200
READS_AT_ONCE = 16


class UsageStore:
    """Reads uses; the consumer's base class writes them."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def of_video(self, video_id: int) -> VideoSound | None:
        """Which sound a video uses, as last heard."""
        return await self._tables.get(VideoSound, video_id)

    async def videos(self, sound_id: int, *, before: int, most: int) -> list[int]:
        """At most `most` public videos of a sound, newest first, those before a video (0: from the newest)."""
        found: list[int] = []
        first = (before - 1,) if before else ()
        after = ""
        while len(found) < most:
            page = await self._tables.scan(SoundUse, sound_id, first=first, after=after, limit=SCAN_PAGE)
            found += [use.video_id for use in page.rows if use.public]
            after = page.next
            if not after:
                break
        return found[:most]

    async def counts(self, sound_ids: Sequence[int]) -> dict[int, int]:
        """Sizes of the sets of public videos; sounds nobody uses answer 0."""
        gate = asyncio.Semaphore(READS_AT_ONCE)

        async def count(sound_id: int) -> int:
            total, after = 0, ""
            async with gate:
                while True:
                    page = await self._tables.scan(SoundUse, sound_id, after=after, limit=COUNT_PAGE)
                    total += sum(use.public for use in page.rows)
                    after = page.next
                    if not after:
                        return total

        unique = list(dict.fromkeys(sound_ids))
        return dict(zip(unique, await asyncio.gather(*map(count, unique)), strict=True))
