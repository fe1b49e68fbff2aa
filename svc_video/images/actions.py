"""What people do with pictures of themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from mesh.clock import Clock
from mesh.grants import Grant, GrantKind, grant_expires_at_ms, sign_grant
from mesh.stores.blobs.port import BlobDamaged, BlobNotFound, Blobs, MultipartGone, PartMismatch
from mesh.stores.tables.requests import RequestLog
from svc_video.images.endings import Endings
from svc_video.images.errors import ImageNotFound, ImageNotOpen, ImageNotSent, refusal_of
from svc_video.images.rules import SIDES, Limits, check_size, is_late, reserved
from svc_video.images.scratch import scratch_file
from svc_video.images.store import ImageStore
from svc_video.images.tables import Image, ImageState
from svc_video.layout import avatar_key, avatar_prefix, sent_key
from svc_video.pictures import PictureRefused, Squares
from svc_video.viewers import Viewer

_REMEMBERED = 4096
_CONTENT_TYPE = "application/octet-stream"
"""Of what was sent: nobody believes what it is called, and it is never served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a picture goes."""

    image_id: int
    url: str = ""
    """Empty when it is awaited no more."""
    expires_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Where the squares of a picture are."""

    image_id: int
    root_path: str
    sides: tuple[int, ...]
    expires_at_ms: int


class ImageActions:
    """Use cases of pictures."""

    def __init__(
        self,
        *,
        store: ImageStore,
        endings: Endings,
        blobs: Blobs,
        requests: RequestLog,
        next_id: Callable[[], int],
        clock: Clock,
        sign: Callable[[bytes], bytes],
        squares: Squares,
        limits: Limits,
    ) -> None:
        self._store = store
        self._endings = endings
        self._blobs = blobs
        self._requests = requests
        self._next_id = next_id
        self._clock = clock
        self._squares = squares
        self._limits = limits
        # Grants of one minute are equal, and are signed once.
        self._token = lru_cache(_REMEMBERED)(partial(sign_grant, sign=sign))
        # Each may take as much memory as the sandbox gives.
        self._turn = asyncio.Semaphore(1)

    async def start(self, viewer: Viewer, *, size_bytes: int, request_id: str, body: bytes) -> Place:
        """A place for a picture; a repeat answers the place as it stands now. Raises PictureTooLarge, TooManyImages, DailyLimitExceeded,
        RequestIdReused."""
        check_size(size_bytes, self._limits)
        claim = await self._requests.claim(
            caller=viewer.user_id, method="StartImage", request_id=request_id, body=body, new_id=self._next_id
        )
        image = await self._store.get(claim.resource_id) or await self._open(viewer.user_id, claim.resource_id, size_bytes)
        now_ms = self._clock.now_ms()
        if image.state is not ImageState.OPEN or is_late(image, now_ms=now_ms):
            return Place(image_id=image.image_id)
        url = await self._blobs.presign_part(
            sent_key(image.image_id), image.upload_ref, 1, size_bytes=image.size_bytes, expires_in_ms=image.ends_at_ms - now_ms
        )
        return Place(image_id=image.image_id, url=url, expires_at_ms=image.ends_at_ms)

    async def complete(self, viewer: Viewer, image_id: int) -> Shown:
        """The picture, once its squares are made; from now on and for a while its owner may come to show it. Safe to repeat.

        Raises ImageNotFound, ImageNotOpen, ImageNotSent, and what `RefusedImage` is the base of.
        """
        image = await self._own(viewer, image_id)
        if image.state is ImageState.OPEN:
            image = await self._made(image)
        if image.state is ImageState.REFUSED:
            raise refusal_of(image.failure_code)
        now_ms = self._clock.now_ms()

        def permitted(row: Image) -> Image | None:
            return replace(row, permitted_at_ms=now_ms) if row.state is ImageState.READY else None

        changed = await self._store.change(image_id, permitted)
        if changed is None or changed.state is not ImageState.READY:
            raise ImageNotOpen(image_id=image_id)
        return self._shown(image_id)

    async def shown(self, image_ids: Sequence[int]) -> list[Shown]:
        """Pictures that are ready, in the order asked, without the others."""
        found = await self._store.get_many(image_ids)
        return [self._shown(image_id) for image_id in image_ids if image_id in found and found[image_id].state is ImageState.READY]

    async def replaced(self, owner_id: int, *, image_id: int) -> None:
        """A person shows this picture now, 0 for none: the others may go."""
        shelf = await self._store.shelf_of(owner_id)
        others = [held for held in shelf.held if held != image_id]
        await self._store.note(others, owner_id=owner_id, now_ms=self._clock.now_ms())

    async def _open(self, owner_id: int, image_id: int, size_bytes: int) -> Image:
        now_ms = self._clock.now_ms()
        # Whoever dies from here on is swept up after.
        await self._store.note([image_id], owner_id=owner_id, now_ms=now_ms)
        await self._store.change_shelf(owner_id, lambda shelf: reserved(shelf, image_id, now_ms=now_ms, limits=self._limits))
        key = sent_key(image_id)
        upload_ref = await self._blobs.multipart_begin(key, content_type=_CONTENT_TYPE)
        image = await self._store.add(
            Image(
                image_id=image_id,
                owner_id=owner_id,
                size_bytes=size_bytes,
                upload_ref=upload_ref,
                ends_at_ms=now_ms + self._limits.session_ms,
                created_at_ms=now_ms,
            )
        )
        if image.upload_ref != upload_ref:
            await self._blobs.multipart_abort(key, upload_ref)
        return image

    async def _made(self, image: Image) -> Image:
        """An open picture after its bytes were looked at: READY or REFUSED, or however it ended meanwhile."""
        if is_late(image, now_ms=self._clock.now_ms()):
            raise ImageNotOpen(image_id=image.image_id)
        await self._join(image)
        made, failure_code = ImageState.READY, ""
        async with self._turn, scratch_file(self._blobs, sent_key(image.image_id)) as source:
            if source is None:
                # Somebody else was faster and has removed what was sent.
                return await self._as_it_stands(image)
            try:
                await self._keep(image, source)
            except PictureRefused as refused:
                made, failure_code = ImageState.REFUSED, refused.code

        def decided(row: Image) -> Image | None:
            return replace(row, state=made, failure_code=failure_code) if row.state is ImageState.OPEN else None

        after = await self._store.change(image.image_id, decided)
        if after is None or after.is_over:
            await self._endings.conclude(after or image)
        else:
            await self._blobs.delete([sent_key(image.image_id)])
        return after or image

    async def _keep(self, image: Image, source: Path) -> None:
        squares = await self._squares(source, SIDES)
        for side, content in squares.items():
            await self._blobs.put(avatar_key(image.image_id, side), content, content_type="image/webp")

    async def _join(self, image: Image) -> None:
        """One object of what was sent. Raises ImageNotSent."""
        key = sent_key(image.image_id)
        try:
            await self._blobs.multipart_complete(key, image.upload_ref, size_bytes=image.size_bytes, part_size_bytes=image.size_bytes)
        except PartMismatch:
            raise ImageNotSent(size_bytes=image.size_bytes) from None
        except MultipartGone:
            try:
                await self._blobs.head(key)
            except (BlobNotFound, BlobDamaged):
                if (await self._as_it_stands(image)).state is ImageState.OPEN:
                    raise ImageNotSent(size_bytes=image.size_bytes) from None

    async def _as_it_stands(self, image: Image) -> Image:
        return await self._store.get(image.image_id) or image

    async def _own(self, viewer: Viewer, image_id: int) -> Image:
        image = await self._store.get(image_id)
        if image is None or not viewer.user_id or image.owner_id != viewer.user_id:
            raise ImageNotFound(image_id=image_id)
        if image.state is ImageState.GONE:
            raise ImageNotOpen(image_id=image_id)
        return image

    def _shown(self, image_id: int) -> Shown:
        expires_at_ms = grant_expires_at_ms(self._clock.now_ms())
        # Nothing revokes the grant of a picture: when it goes its bytes go.
        grant = Grant(video_id=image_id, epoch=0, expires_at_ms=expires_at_ms, prefix=avatar_prefix(image_id), kind=GrantKind.IMAGES)
        return Shown(image_id=image_id, root_path=f"/m/{self._token(grant)}/", sides=SIDES, expires_at_ms=expires_at_ms)
