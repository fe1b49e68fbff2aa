"""Rows of pictures: the only place of this area that touches the tables port."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mesh.errors import Aborted
from mesh.stores.tables.port import OutcomeUnknown, Page, RowExists, Tables, VersionConflict
from mesh.stores.tables.retry import update
from svc_video.images.tables import SWEEP_SHARD, Image, ImageShelf, UnsettledImage

_ATTEMPTS = 16


class ImageStore:
    """Typed reads and writes of pictures, shelves and the sweeper's list."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def get(self, image_id: int) -> Image | None:
        """The picture, or None."""
        return await self._tables.get(Image, image_id)

    async def get_many(self, image_ids: Sequence[int]) -> dict[int, Image]:
        """Pictures by id; absent ids are absent."""
        rows = await self._tables.get_many(Image, [(image_id,) for image_id in set(image_ids)]) if image_ids else {}
        return {image.image_id: image for image in rows.values()}

    async def add(self, image: Image) -> Image:
        """Write a new picture; the one that stands there when it was added before."""
        try:
            return await self._tables.insert(image)
        except RowExists as exists:
            row: Image = exists.row
            return row
        except OutcomeUnknown as unknown:
            await self._tables.settle(unknown.token)
            return await self.get(image.image_id) or await self.add(image)

    async def change(self, image_id: int, change: Callable[[Image], Image | None]) -> Image | None:
        """The picture after a pure change, which answers None to leave it; None when there is no such picture."""
        return await update(self._tables, Image, (image_id,), change)

    async def replace(self, image: Image) -> Image | None:
        """Replace what was read in this version; None when another write was faster."""
        try:
            return await self._tables.transition(image, expected_version=image.version)
        except VersionConflict:
            return None
        except OutcomeUnknown as unknown:
            return await self.get(image.image_id) if await self._tables.settle(unknown.token) else None

    async def shelf_of(self, owner_id: int) -> ImageShelf:
        """A person's shelf; an empty one when there is none yet."""
        return await self._tables.get(ImageShelf, owner_id) or ImageShelf(owner_id=owner_id)

    async def change_shelf(self, owner_id: int, change: Callable[[ImageShelf], ImageShelf]) -> None:
        """Change a person's shelf, whoever else does at the same time; raises what `change` raises, then nothing was written."""
        for _ in range(_ATTEMPTS):
            before = await self.shelf_of(owner_id)
            after = change(before)
            if after == before:
                return
            try:
                if before.version:
                    await self._tables.transition(after, expected_version=before.version)
                else:
                    await self._tables.insert(after)
            except (RowExists, VersionConflict):
                continue
            except OutcomeUnknown as unknown:
                if not await self._tables.settle(unknown.token):
                    continue
            return
        raise Aborted("the shelf changes too fast; try again")

    async def note(self, image_ids: Sequence[int], *, owner_id: int, now_ms: int) -> None:
        """Have the sweeper look at pictures."""
        if image_ids:
            await self._tables.put(
                *(UnsettledImage(shard=SWEEP_SHARD, image_id=image_id, owner_id=owner_id, version=now_ms) for image_id in image_ids)
            )

    async def strike(self, note: UnsettledImage) -> None:
        """The sweeper has nothing more to do for a picture, unless it was noted anew."""
        await self._tables.delete(note)

    async def page_of_unsettled(self, *, after: str, limit: int = 200) -> Page[UnsettledImage]:
        """Pictures that the sweeper has to look at, oldest first."""
        return await self._tables.scan(UnsettledImage, SWEEP_SHARD, after=after, limit=limit)
