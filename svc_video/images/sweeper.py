"""Ends pictures that nobody completes or shows, without anybody asking, and removes objects that belong to none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace

from mesh import deadline
from mesh.clock import Clock
from svc_video.images.endings import Endings
from svc_video.images.orphans import ImageOrphans
from svc_video.images.rules import is_late, may_still_be_shown, released
from svc_video.images.store import ImageStore
from svc_video.images.tables import Image, ImageState, UnsettledImage

_log = logging.getLogger("clipmesh.video")

UNWRITTEN_AFTER_MS = 600_000
"""A noted picture that was never written is forgotten after this; longer than the deadline of any start."""
_TRY_S = 60.0

ShownBy = Callable[[Collection[int]], Awaitable[Mapping[int, int]]]
"""Which picture each of these people shows, as social knows it now; people whom it does not know, and who show none, are left out."""


class ImageSweeper:
    """Looks at every picture that was noted until nothing is left to do for it.

    What a person shows is social's fact. It is asked for at the moment of the decision, and not taken from an event: an event that is late would
    cost somebody their picture.
    """

    def __init__(
        self,
        *,
        store: ImageStore,
        endings: Endings,
        orphans: ImageOrphans,
        shown_by: ShownBy,
        clock: Clock,
        sweep_ms: int,
        reconcile_ms: int,
    ) -> None:
        self._store = store
        self._endings = endings
        self._orphans = orphans
        self._shown_by = shown_by
        self._clock = clock
        self._sweep_ms = sweep_ms
        self._reconcile_ms = reconcile_ms

    async def run(self) -> None:
        """Sweep until cancelled."""
        reconciled_ms = -self._reconcile_ms
        while True:
            try:
                await self.sweep()
                if self._clock.monotonic_ms() - reconciled_ms >= self._reconcile_ms:
                    await self.reconcile()
                    reconciled_ms = self._clock.monotonic_ms()
            except Exception as error:  # a store or social that is away must not end the sweeper
                _log.warning("the sweep of pictures is tried again", extra={"error_type": type(error).__name__})
            await asyncio.sleep(self._sweep_ms / 1000)

    async def reconcile(self) -> None:
        """Remove objects that belong to no picture."""
        await self._orphans.remove()

    async def sweep(self) -> None:
        """Look once at every picture that was noted."""
        cursor = ""
        while True:
            page = await self._store.page_of_unsettled(after=cursor)
            with deadline.scope(_TRY_S):
                images = await self._store.get_many([note.image_id for note in page.rows])
                now_ms = self._clock.now_ms()
                asked = {
                    image.owner_id
                    for image in images.values()
                    if image.state is ImageState.READY and not may_still_be_shown(image, now_ms=now_ms)
                }
                shown = await self._shown_by(asked) if asked else {}
            for note in page.rows:
                await self._try_to_look_at(note, images.get(note.image_id), shown)
            cursor = page.next
            if not cursor:
                return

    async def _try_to_look_at(self, note: UnsettledImage, image: Image | None, shown: Mapping[int, int]) -> None:
        try:
            with deadline.scope(_TRY_S):
                if await self._settled(note, image, shown):
                    await self._store.strike(note)
        except Exception as error:  # one picture must not keep the others from being looked at
            _log.warning("a picture is swept again", extra={"image_id": note.image_id, "error_type": type(error).__name__})

    async def _settled(self, note: UnsettledImage, image: Image | None, shown: Mapping[int, int]) -> bool:
        """Do what is to be done for a picture; True when nothing more is."""
        now_ms = self._clock.now_ms()
        if image is None:
            return await self._forget(note, now_ms)
        if image.state is ImageState.OPEN and not is_late(image, now_ms=now_ms):
            return False
        if image.state is ImageState.READY:
            if may_still_be_shown(image, now_ms=now_ms):
                return False
            if shown.get(image.owner_id) == image.image_id:
                return True
        if not image.is_over:
            # On top of the version that was read before social was asked: a permit that was given since keeps the picture.
            ended = await self._store.replace(replace(image, state=ImageState.GONE))
            if ended is None:
                return False
            image = ended
        await self._endings.conclude(image)
        return True

    async def _forget(self, note: UnsettledImage, now_ms: int) -> bool:
        """A start that died before it wrote its picture."""
        if now_ms < note.version + UNWRITTEN_AFTER_MS:
            return False
        await self._store.change_shelf(note.owner_id, lambda shelf: released(shelf, note.image_id))
        return await self._store.get(note.image_id) is None
