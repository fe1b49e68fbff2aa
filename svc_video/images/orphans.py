"""From the bucket to the rows: removes what lies in the store and belongs to no picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.stores.blobs.port import BlobInfo, Blobs
from svc_video.images.store import ImageStore
from svc_video.images.tables import Image, ImageState
from svc_video.layout import AVATARS_PREFIX, SENT_PREFIX, image_of_sent_key, video_of_key
from svc_video.strangers import is_other_system

_log = logging.getLogger("clipmesh.video")

ORPHAN_AFTER_MS = 3_600_000
"""An object is removed this long after it was written when it belongs to no picture; longer than anything takes from its bytes to its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Who owns what lies under one prefix."""

    prefix: str
    image_of: Callable[[str], int | None]
    state: ImageState
    """In which a picture owns it."""

    def owns(self, image: Image | None) -> bool:
        return image is not None and image.state is self.state


_OWNERS = (
    _Owner(prefix=SENT_PREFIX, image_of=image_of_sent_key, state=ImageState.OPEN),
    _Owner(prefix=AVATARS_PREFIX, image_of=lambda key: video_of_key(AVATARS_PREFIX, key), state=ImageState.READY),
)


class ImageOrphans:
    """Compares every object with the row of its picture."""

    def __init__(self, *, store: ImageStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def remove(self) -> None:
        """Go through both prefixes once."""
        before_ms = self._clock.now_ms() - ORPHAN_AFTER_MS
        await self._abort_uploads(before_ms=before_ms)
        for owner in _OWNERS:
            cursor = ""
            while True:
                page = await self._blobs.list(owner.prefix, after=cursor)
                await self._remove_from(owner, [blob for blob in page.blobs if blob.modified_at_ms < before_ms])
                cursor = page.next
                if not cursor:
                    break

    async def _abort_uploads(self, *, before_ms: int) -> None:
        old = [one for one in await self._blobs.multipart_list(SENT_PREFIX) if one.started_at_ms < before_ms]
        ids = {one.upload_ref: image_of_sent_key(one.key) or 0 for one in old}
        images = await self._store.get_many([image_id for image_id in ids.values() if image_id])
        if is_other_system(ids.values(), images):
            _log.error("uploads of unknown pictures are kept: there are too many", extra={"prefix": SENT_PREFIX})
            return
        for one in old:
            image = images.get(ids[one.upload_ref])
            if image is None or image.state is not ImageState.OPEN or image.upload_ref != one.upload_ref:
                await self._blobs.multipart_abort(one.key, one.upload_ref)

    async def _remove_from(self, owner: _Owner, blobs: Sequence[BlobInfo]) -> None:
        ids = {blob.key: owner.image_of(blob.key) or 0 for blob in blobs}
        images = await self._store.get_many([image_id for image_id in ids.values() if image_id])
        if is_other_system(ids.values(), images):
            _log.error("objects of unknown pictures are kept: there are too many", extra={"prefix": owner.prefix})
            return
        orphans = [key for key, image_id in ids.items() if not owner.owns(images.get(image_id))]
        if orphans:
            await self._blobs.delete(orphans)
            _log.info("orphaned objects deleted", extra={"prefix": owner.prefix, "count": len(orphans)})
