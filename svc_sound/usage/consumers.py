"""Folds video's events into uses."""

from __future__ import annotations

from clipmesh.video.v1 import events_pb2, video_service_pb2

from mesh.events.consumers import Incoming, VersionedRow
from svc_sound.usage.store import UsageStore
from svc_sound.usage.tables import SoundUse, VideoSound

_SHOWN = frozenset({video_service_pb2.VIDEO_STATE_READY, video_service_pb2.VIDEO_STATE_RESTRICTED})


class SoundUses(VersionedRow):
    """One row per video with the sound it uses, and one per sound and video; not newer changes nothing."""

    name = "uses"
    topics = ("video",)

    def __init__(self, *, store: UsageStore) -> None:
        self._store = store
        self.handlers = {
            events_pb2.VideoPublished: self.published,
            events_pb2.VideoChanged: self.changed,
            events_pb2.VideoWithdrawn: self.withdrawn,
        }

    async def published(self, event: Incoming[events_pb2.VideoPublished]) -> list[SoundUse | VideoSound]:
        return await self._is(event.message.video, event.envelope.key_version)

    async def changed(self, event: Incoming[events_pb2.VideoChanged]) -> list[SoundUse | VideoSound]:
        return await self._is(event.message.video, event.envelope.key_version)

    async def withdrawn(self, event: Incoming[events_pb2.VideoWithdrawn]) -> list[SoundUse | VideoSound]:
        known = await self._store.of_video(event.message.video_id)
        if known is not None and known.version > event.envelope.key_version:
            return []
        sound_id = known.sound_id if known is not None else 0
        return self._rows(event.message.video_id, sound_id, public=False)

    async def _is(self, video: video_service_pb2.Video, version: int) -> list[SoundUse | VideoSound]:
        known = await self._store.of_video(video.video_id)
        if known is not None and known.version > version:
            return []
        rows = self._rows(video.video_id, video.sound_id, public=_is_public(video))
        if known is not None and known.sound_id not in {0, video.sound_id}:
            rows.append(SoundUse(sound_id=known.sound_id, video_id=video.video_id, public=False))
        return rows

    def _rows(self, video_id: int, sound_id: int, *, public: bool) -> list[SoundUse | VideoSound]:
        rows: list[SoundUse | VideoSound] = [VideoSound(video_id=video_id, sound_id=sound_id, public=public)]
        if sound_id:
            rows.append(SoundUse(sound_id=sound_id, video_id=video_id, public=public))
        return rows


def _is_public(video: video_service_pb2.Video) -> bool:
    return video.state in _SHOWN and video.visibility == video_service_pb2.VISIBILITY_PUBLIC
