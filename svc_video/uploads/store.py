"""Rows of uploads: the only place of this area that touches the tables port."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mesh.errors import Aborted
from mesh.stores.tables.port import OutcomeUnknown, Page, RowExists, Tables, VersionConflict
from svc_video.uploads.tables import SWEEP_SHARD, CreatorUpload, UnendedUpload, Upload, UploadQuota

_ATTEMPTS = 64
"""A creator's quota is one row: many starts at once queue here."""


class UploadStore:
    """Typed reads and writes of sessions, quotas and their lists."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def get(self, upload_id: int) -> Upload | None:
        """The session, or None."""
        return await self._tables.get(Upload, upload_id)

    async def get_many(self, upload_ids: Sequence[int]) -> dict[int, Upload]:
        """Sessions by id; absent ids are absent."""
        rows = await self._tables.get_many(Upload, [(upload_id,) for upload_id in set(upload_ids)]) if upload_ids else {}
        return {upload.upload_id: upload for upload in rows.values()}

    async def walk(self, *, after: str, limit: int = 200) -> Page[Upload]:
        """All sessions, page by page, in no order."""
        return await self._tables.walk(Upload, after=after, limit=limit)

    async def list_unended(self, upload: Upload) -> None:
        """Note a session in the creator's list and for the sweeper, before the session itself is written."""
        await self._tables.put(
            CreatorUpload(creator_id=upload.creator_id, upload_id=upload.upload_id),
            UnendedUpload(shard=SWEEP_SHARD, upload_id=upload.upload_id, creator_id=upload.creator_id, since_ms=upload.created_at_ms),
        )

    async def add(self, upload: Upload) -> Upload:
        """Write a new session; the one that stands there when it was added before."""
        try:
            return await self._tables.insert(upload)
        except RowExists as exists:
            row: Upload = exists.row
            return row

    async def replace(self, upload: Upload, *, expected_version: int) -> Upload | None:
        """Write the next version of a session; None when another write was faster."""
        try:
            return await self._tables.transition(upload, expected_version=expected_version)
        except VersionConflict:
            return None
        except OutcomeUnknown as unknown:
            return await self.get(upload.upload_id) if await self._tables.settle(unknown.token) else None

    async def quota_of(self, creator_id: int) -> UploadQuota:
        """The creator's quota; an empty one when there is none yet."""
        return await self._tables.get(UploadQuota, creator_id) or UploadQuota(creator_id=creator_id)

    async def change_quota(self, creator_id: int, change: Callable[[UploadQuota], UploadQuota]) -> None:
        """Change a creator's quota, whoever else does at the same time; raises what `change` raises, then nothing was written."""
        for _ in range(_ATTEMPTS):
            before = await self.quota_of(creator_id)
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
        raise Aborted("the quota changes too fast; try again")

    async def page_of_creator(self, creator_id: int, *, after: str, limit: int) -> Page[CreatorUpload]:
        """A page of a creator's sessions, newest first."""
        return await self._tables.scan(CreatorUpload, creator_id, after=after, limit=limit)

    async def page_of_unended(self, *, after: str, limit: int = 200) -> Page[UnendedUpload]:
        """Sessions that the sweeper has to look at, oldest first."""
        return await self._tables.scan(UnendedUpload, SWEEP_SHARD, after=after, limit=limit)

    async def strike_unended(self, upload_id: int) -> None:
        """The sweeper has nothing more to do for a session."""
        await self._tables.delete(UnendedUpload(shard=SWEEP_SHARD, upload_id=upload_id))

    async def unlist(self, unended: UnendedUpload) -> None:
        """Take a session that was never written out of both lists."""
        await self._tables.delete(CreatorUpload(creator_id=unended.creator_id, upload_id=unended.upload_id), unended)
