"""How sessions end: completed, aborted or expired; every step may be done twice, by a client or by the sweeper."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Protocol

from mesh.errors import Aborted
from mesh.failpoints import Failpoint, hit
from mesh.stores.blobs.port import BlobDamaged, BlobNotFound, Blobs, MultipartGone, PartMismatch
from mesh.telemetry import Telemetry
from svc_video.layout import raw_key, tails_prefix
from svc_video.uploads.errors import ChecksumMismatch, MissingParts, SizeMismatch, UploadNotFound
from svc_video.uploads.metrics import ENDED
from svc_video.uploads.rules import released
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import Upload, UploadState
from svc_video.videos.actions import MediaActions, MediaState, VideoActions

_log = logging.getLogger("clipmesh.video")

_FAILURES = {
    UploadState.EXPIRED: ("UPLOAD_EXPIRED", "Nobody completed the upload within its life."),
    UploadState.ABORTED: ("UPLOAD_ABORTED", "The upload was given up."),
}
"""Code and sentence of an end without bytes."""
_ATTEMPTS = 8


class MediaQueue(Protocol):
    """What uploads need of processing."""

    async def open(self, *, video_id: int, creator_id: int, source_key: str, size_bytes: int, sha256: bytes) -> None:
        """Open a video's first job durably; again changes nothing."""
        ...


class Sessions:
    """Moves sessions to their end and does what follows from it."""

    def __init__(
        self, *, store: UploadStore, blobs: Blobs, videos: VideoActions, media: MediaActions, queue: MediaQueue, telemetry: Telemetry
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._blobs = blobs
        self._videos = videos
        self._media = media
        self._queue = queue

    async def complete(self, upload: Upload, etags: dict[int, str]) -> Upload:
        """Make the object of an open session's parts, then end the session; answers it as it stands, maybe ended otherwise meanwhile.

        Raises MissingParts, SizeMismatch, ChecksumMismatch; then the session stays open and takes the parts that are named.
        """
        key = raw_key(upload.upload_id)
        try:
            await self._blobs.multipart_complete(
                key, upload.upload_ref, size_bytes=upload.size_bytes, part_size_bytes=upload.part_size_bytes, etags=etags or None
            )
        except PartMismatch as mismatch:
            raise _refusal(mismatch, upload) from None
        except MultipartGone:
            # Ended by somebody else a moment ago, or lost by the store.
            now = await self._begin_anew(upload)
            if now.state is UploadState.OPEN:
                raise MissingParts(part_numbers=_numbers(range(1, upload.part_count + 1))) from None
            return now
        hit(Failpoint.UPLOAD_BEFORE_COMPLETE_ROW)
        ended = await self.end(upload, UploadState.COMPLETED)
        if ended.state is not UploadState.COMPLETED:
            await self._blobs.delete([key])
        return ended

    async def taking_parts(self, upload: Upload) -> Upload:
        """An open session as it stands once the store takes its parts: where it lost what it had of them, they go into another multipart upload.

        A session whose parts are one object already is completed, as somebody asked for it who never heard the answer.
        """
        try:
            await self._blobs.multipart_parts(raw_key(upload.upload_id), upload.upload_ref)
        except MultipartGone:
            # An upload goes only after what it made is there, so that looking in this order misses neither.
            if not await self.is_joined(upload):
                return await self._begin_anew(upload)
            try:
                completed = await self.complete(upload, {})
            except MissingParts:
                # What lies there is of some other upload; the parts have been given another place.
                return await self._as_it_stands(upload)
            if completed.state is UploadState.COMPLETED:
                await self.hand_over(completed)
            return completed
        return upload

    async def is_joined(self, upload: Upload) -> bool:
        """True when the parts are one object already, though nobody heard of it."""
        try:
            return (await self._blobs.head(raw_key(upload.upload_id))).size_bytes == upload.size_bytes
        except (BlobNotFound, BlobDamaged):
            return False

    async def hand_over(self, upload: Upload) -> None:
        """What follows from completion: the video is processed, the creator's place is free."""
        await self._videos.open_draft(upload.upload_id, creator_id=upload.creator_id)
        video = await self._media.begin_processing(upload.upload_id, size_bytes=upload.size_bytes)
        key = raw_key(upload.upload_id)
        if not video.keeps_source:
            await self._blobs.delete([key])
        elif video.media_state is MediaState.PROCESSING and not video.probed:
            await self._queue.open(
                video_id=upload.upload_id,
                creator_id=upload.creator_id,
                source_key=key,
                size_bytes=upload.size_bytes,
                sha256=upload.sha256,
            )
        await self._blobs.delete_prefix(tails_prefix(upload.upload_id))
        await self._store.change_quota(upload.creator_id, lambda quota: released(quota, upload.upload_id, gives_day_back=False))
        await self._store.strike_unended(upload.upload_id)

    async def conclude(self, upload: Upload) -> None:
        """What follows from abortion or expiry: the creator's place is free whatever the stores say, no bytes are left, the video is over."""
        aborted = upload.state is UploadState.ABORTED
        await self._store.change_quota(upload.creator_id, lambda quota: released(quota, upload.upload_id, gives_day_back=aborted))
        await self._blobs.multipart_abort(raw_key(upload.upload_id), upload.upload_ref)
        await self._blobs.delete([raw_key(upload.upload_id)])
        await self._blobs.delete_prefix(tails_prefix(upload.upload_id))
        await self._videos.open_draft(upload.upload_id, creator_id=upload.creator_id)
        if aborted:
            await self._videos.withdraw_upload(upload.upload_id)
        else:
            await self._media.media_failed(upload.upload_id, reason=upload.failure_code, detail=upload.failure_detail)
        await self._store.strike_unended(upload.upload_id)

    async def end(self, upload: Upload, state: UploadState) -> Upload:
        """Move an open session to `state`; whoever comes first decides, and the session is answered as it stands."""
        for _ in range(_ATTEMPTS):
            now = await self._as_it_stands(upload)
            if now.state is not UploadState.OPEN:
                return now
            code, detail = _FAILURES.get(state, ("", ""))
            ended = replace(now, state=state, failure_code=code, failure_detail=detail)
            written = await self._store.replace(ended, expected_version=now.version)
            if written is not None:
                self._telemetry.count(ENDED, end=state.name.lower())
                return written
        raise Aborted("the session changes too fast; try again", upload_id=upload.upload_id)

    async def _begin_anew(self, lost: Upload) -> Upload:
        """Another multipart upload in place of one that the store does not have any more; the session as it stands, maybe changed by others before."""
        now = await self._as_it_stands(lost)
        if now.state is not UploadState.OPEN or now.upload_ref != lost.upload_ref:
            return now
        key = raw_key(lost.upload_id)
        upload_ref = await self._blobs.multipart_begin(key, content_type=now.mime_type)
        # When the write is not answered, the sweeper ends whichever of the two the row does not name.
        written = await self._store.replace(replace(now, upload_ref=upload_ref), expected_version=now.version)
        if written is None:
            await self._blobs.multipart_abort(key, upload_ref)
            return await self._as_it_stands(lost)
        _log.warning("the store lost what it had of an upload; its parts are asked for again", extra={"upload_id": lost.upload_id})
        return written

    async def _as_it_stands(self, upload: Upload) -> Upload:
        now = await self._store.get(upload.upload_id)
        if now is None:
            raise UploadNotFound(upload_id=upload.upload_id)
        return now


def _refusal(mismatch: PartMismatch, upload: Upload) -> MissingParts | SizeMismatch | ChecksumMismatch:
    if mismatch.missing:
        return MissingParts(part_numbers=_numbers(mismatch.missing))
    if mismatch.size_bytes != -1:
        return SizeMismatch(size_bytes=mismatch.size_bytes, declared_bytes=upload.size_bytes, part_numbers=_numbers(mismatch.mismatched))
    return ChecksumMismatch(part_numbers=_numbers(mismatch.mismatched))


def _numbers(numbers: range | tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
