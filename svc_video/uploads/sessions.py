"""How sessions end: completed, aborted or expired; every step may be done twice, by a client or by the sweeper."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from mesh.errors import Aborted
from mesh.failpoints import Failpoint, hit
from mesh.stores.blobs.port import BlobNotFound, Blobs, PartMismatch
from svc_video.layout import raw_key, tails_prefix
from svc_video.uploads.errors import ChecksumMismatch, MissingParts, SizeMismatch, UploadNotFound
from svc_video.uploads.rules import released
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import Upload, UploadState
from svc_video.videos.actions import MediaActions, MediaState, VideoActions

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

    def __init__(self, *, store: UploadStore, blobs: Blobs, videos: VideoActions, media: MediaActions, queue: MediaQueue) -> None:
        self._store = store
        self._blobs = blobs
        self._videos = videos
        self._media = media
        self._queue = queue

    async def complete(self, upload: Upload, etags: dict[int, str]) -> Upload:
        """Make the object of an open session's parts, then end the session; answers it as it stands, maybe ended otherwise meanwhile.

        Raises MissingParts, SizeMismatch, ChecksumMismatch; then the session stays open.
        """
        key = raw_key(upload.upload_id)
        try:
            await self._blobs.multipart_complete(
                key, upload.upload_ref, size_bytes=upload.size_bytes, part_size_bytes=upload.part_size_bytes, etags=etags or None
            )
        except PartMismatch as mismatch:
            raise _refusal(mismatch, upload) from None
        except BlobNotFound:
            # The parts are gone: ended by somebody else a moment ago, or lost by the store.
            now = await self._store.get(upload.upload_id)
            if now is None or now.state is UploadState.OPEN:
                raise MissingParts(part_numbers=_numbers(range(1, upload.part_count + 1))) from None
            return now
        hit(Failpoint.UPLOAD_BEFORE_COMPLETE_ROW)
        ended = await self.end(upload, UploadState.COMPLETED)
        if ended.state is not UploadState.COMPLETED:
            await self._blobs.delete([key])
        return ended

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
            now = await self._store.get(upload.upload_id)
            if now is None:
                raise UploadNotFound(upload_id=upload.upload_id)
            if now.state is not UploadState.OPEN:
                return now
            code, detail = _FAILURES.get(state, ("", ""))
            ended = replace(now, state=state, failure_code=code, failure_detail=detail)
            written = await self._store.replace(ended, expected_version=now.version)
            if written is not None:
                return written
        raise Aborted("the session changes too fast; try again", upload_id=upload.upload_id)


def _refusal(mismatch: PartMismatch, upload: Upload) -> MissingParts | SizeMismatch | ChecksumMismatch:
    if mismatch.missing:
        return MissingParts(part_numbers=_numbers(mismatch.missing))
    if mismatch.size_bytes != -1:
        return SizeMismatch(size_bytes=mismatch.size_bytes, declared_bytes=upload.size_bytes, part_numbers=_numbers(mismatch.mismatched))
    return ChecksumMismatch(part_numbers=_numbers(mismatch.mismatched))


def _numbers(numbers: range | tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
