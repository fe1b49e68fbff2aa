"""From the bucket to the rows: removes what lies in the store and belongs to nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.stores.blobs.port import BlobInfo, Blobs, OpenMultipart
from mesh.telemetry import Telemetry
from svc_video.layout import (
    AUDIO_PREFIX,
    IMAGES_PREFIX,
    RAW_PREFIX,
    TAILS_PREFIX,
    VIDEO_PREFIX,
    WORK_PREFIX,
    video_of_key,
    video_of_raw_key,
)
from svc_video.strangers import is_other_system
from svc_video.uploads.metrics import ORPHANS, SWEEP_HELD
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import Upload, UploadState
from svc_video.videos.actions import MediaState, Video, VideoActions

_log = logging.getLogger("clipmesh.video")

ORPHAN_AFTER_MS = 3_600_000
"""What creators sent is removed this long after it was written when it belongs to no session; longer than any start takes."""
LEFT_OVER_AFTER_MS = 86_400_000
"""What jobs made is removed this long after it was written when its clip is over: its own end removes it much earlier, and no job takes as long."""
_READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Who owns what lies under one prefix."""

    prefix: str
    after_ms: int
    owns: Callable[[Upload | None, Video | None], bool]

    def video_of(self, key: str) -> int | None:
        """The id in a key."""
        return video_of_raw_key(key) if self.prefix == RAW_PREFIX else video_of_key(self.prefix, key)


def _owns_source(upload: Upload | None, video: Video | None) -> bool:
    taken = upload is not None and upload.state in {UploadState.OPEN, UploadState.COMPLETED}
    return taken and (video is None or video.keeps_source)


def _owns_tail(upload: Upload | None, video: Video | None) -> bool:
    return upload is not None and upload.state is UploadState.OPEN


def _owns_work(upload: Upload | None, video: Video | None) -> bool:
    return video is not None and video.keeps_source and video.media_state is not MediaState.COMPLETE


def _owns_made(upload: Upload | None, video: Video | None) -> bool:
    return video is not None and video.keeps_source


def _owns_audio(upload: Upload | None, video: Video | None) -> bool:
    return video is not None and (video.keeps_source or video.sound_asked)


_OWNERS = (
    _Owner(prefix=RAW_PREFIX, after_ms=ORPHAN_AFTER_MS, owns=_owns_source),
    _Owner(prefix=TAILS_PREFIX, after_ms=ORPHAN_AFTER_MS, owns=_owns_tail),
    _Owner(prefix=WORK_PREFIX, after_ms=LEFT_OVER_AFTER_MS, owns=_owns_work),
    _Owner(prefix=VIDEO_PREFIX, after_ms=LEFT_OVER_AFTER_MS, owns=_owns_made),
    _Owner(prefix=IMAGES_PREFIX, after_ms=LEFT_OVER_AFTER_MS, owns=_owns_made),
    _Owner(prefix=AUDIO_PREFIX, after_ms=LEFT_OVER_AFTER_MS, owns=_owns_audio),
)


class Orphans:
    """Compares every object with the rows of its clip."""

    def __init__(self, *, store: UploadStore, blobs: Blobs, videos: VideoActions, clock: Clock, telemetry: Telemetry) -> None:
        self._store = store
        self._blobs = blobs
        self._videos = videos
        self._clock = clock
        self._telemetry = telemetry

    async def remove(self) -> None:
        """Go through the whole bucket once."""
        now_ms = self._clock.now_ms()
        held = await self._abort_multiparts(before_ms=now_ms - ORPHAN_AFTER_MS)
        for owner in _OWNERS:
            cursor = ""
            while True:
                page = await self._blobs.list(owner.prefix, after=cursor)
                old = [blob for blob in page.blobs if blob.modified_at_ms < now_ms - owner.after_ms]
                held |= await self._remove_from(owner, old)
                cursor = page.next
                if not cursor:
                    break
        self._telemetry.set(SWEEP_HELD, float(held), way="bucket")

    async def _abort_multiparts(self, *, before_ms: int) -> bool:
        held = False
        old = [multipart for multipart in await self._blobs.multipart_list(RAW_PREFIX) if multipart.started_at_ms < before_ms]
        for start in range(0, len(old), _READ_AT_ONCE):
            held |= await self._abort_unowned(old[start : start + _READ_AT_ONCE])
        return held

    async def _abort_unowned(self, multiparts: Sequence[OpenMultipart]) -> bool:
        ids = [video_of_raw_key(multipart.key) or 0 for multipart in multiparts]
        uploads = await self._store.get_many(ids)
        held = is_other_system(ids, uploads)
        for upload_id, multipart in zip(ids, multiparts, strict=True):
            upload = uploads.get(upload_id)
            if upload is None and held:
                continue
            if upload is None or upload.state is not UploadState.OPEN or upload.upload_ref != multipart.upload_ref:
                await self._blobs.multipart_abort(multipart.key, multipart.upload_ref)
                self._telemetry.count(ORPHANS, prefix=RAW_PREFIX)
        return held

    async def _remove_from(self, owner: _Owner, blobs: Sequence[BlobInfo]) -> bool:
        if not blobs:
            return False
        ids = {blob.key: owner.video_of(blob.key) or 0 for blob in blobs}
        known = [video_id for video_id in set(ids.values()) if video_id]
        uploads, videos = await self._store.get_many(known), await self._videos.get_many(known)
        held = is_other_system(ids.values(), {**uploads, **videos})
        orphans = [
            key
            for key, video_id in ids.items()
            if not owner.owns(uploads.get(video_id), videos.get(video_id))
            and not (held and video_id not in uploads and video_id not in videos)
        ]
        if orphans:
            await self._blobs.delete(orphans)
            self._telemetry.count(ORPHANS, len(orphans), prefix=owner.prefix)
            _log.info("orphaned objects deleted", extra={"prefix": owner.prefix, "count": len(orphans)})
        if held:
            _log.error("objects of unknown clips are kept: there are too many", extra={"prefix": owner.prefix})
        return held
