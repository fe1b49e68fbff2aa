"""Rows of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from mesh.events.event import Event
from mesh.stores.tables.port import RowExists, Tables
from svc_sound.catalogue.tables import OriginalSound, Sound


class CatalogueStore:
    """Reads and writes sounds."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def many(self, sound_ids: Sequence[int]) -> list[Sound]:
        """Sounds in the order asked, without the absent."""
        unique = list(dict.fromkeys(sound_ids))
        rows = await self._tables.get_many(Sound, [(sound_id,) for sound_id in unique])
        return [rows[(sound_id,)] for sound_id in unique if (sound_id,) in rows]

    async def claim_original(self, video_id: int, sound_id: int) -> int:
        """The id of a video's original sound: `sound_id` the first time, what was claimed then ever after."""
        try:
            row = await self._tables.insert(OriginalSound(video_id=video_id, sound_id=sound_id))
        except RowExists as met:
            row = met.row
        return row.sound_id

    async def add(self, sound: Sound, events: Sequence[Event]) -> Sound:
        """Write a sound with its events, or find it written."""
        try:
            return await self._tables.insert(sound, events=events)
        except RowExists as met:
            existing: Sound = met.row
            return existing
