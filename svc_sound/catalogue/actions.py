"""What can be done with sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from clipmesh.sound.v1 import events_pb2

from mesh.clock import Clock
from mesh.events.event import EventMaker
from svc_sound.catalogue.convert import sound_to_proto
from svc_sound.catalogue.errors import SoundNotFound
from svc_sound.catalogue.store import CatalogueStore
from svc_sound.catalogue.tables import Sound, SoundKind


class CatalogueActions:
    """Registers and reads sounds."""

    def __init__(self, *, store: CatalogueStore, events: EventMaker, next_id: Callable[[], int], clock: Clock) -> None:
        self._store = store
        self._events = events
        self._next_id = next_id
        self._clock = clock

    async def register_original(self, *, video_id: int, creator_id: int, duration_ms: int, audio_key: str) -> Sound:
        """The original sound of a video; made the first time, found ever after, whatever else the repeat says."""
        sound_id = await self._store.claim_original(video_id, self._next_id())
        sound = Sound(
            sound_id=sound_id,
            kind=SoundKind.ORIGINAL,
            creator_id=creator_id,
            source_video_id=video_id,
            duration_ms=duration_ms,
            audio_key=audio_key,
            created_at_ms=self._clock.now_ms(),
        )
        created = events_pb2.SoundCreated(sound=sound_to_proto(replace(sound, version=1), video_count=0))
        event = self._events.make(created, key=str(sound_id), subject_ids=(creator_id,))
        return await self._store.add(sound, [event])

    async def many(self, sound_ids: Sequence[int]) -> list[Sound]:
        """Sounds in the order asked, without the absent."""
        return await self._store.many(sound_ids)

    async def one(self, sound_id: int) -> Sound:
        """One sound. Raises SoundNotFound."""
        found = await self._store.many([sound_id])
        if not found:
            raise SoundNotFound(sound_id=sound_id)
        return found[0]
