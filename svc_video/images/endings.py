"""What follows from the end of a picture; every step may be done twice, by whoever ended it and by the sweeper."""

from __future__ import annotations

from mesh.stores.blobs.port import Blobs
from svc_video.images.rules import released
from svc_video.images.store import ImageStore
from svc_video.images.tables import Image
from svc_video.layout import avatar_prefix, sent_key


class Endings:
    """Removes the bytes of pictures that are over."""

    def __init__(self, *, store: ImageStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def conclude(self, image: Image) -> None:
        """No bytes are left, and the place on its owner's shelf is free. The bytes go first: what is on no shelf is not counted any more."""
        key = sent_key(image.image_id)
        await self._blobs.multipart_abort(key, image.upload_ref)
        await self._blobs.delete([key])
        await self._blobs.delete_prefix(avatar_prefix(image.image_id))
        await self._store.change_shelf(image.owner_id, lambda shelf: released(shelf, image.image_id))
