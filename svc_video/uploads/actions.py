"""What creators do with upload sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.pages import PageTokens, clamp
from mesh.stores.blobs.port import BlobDamaged, BlobNotFound, BlobPart, Blobs, MultipartGone
from mesh.stores.tables.requests import RequestLog
from svc_video.layout import raw_key, tail_key, tails_prefix
from svc_video.uploads.errors import PartOutOfRange, TooManyOpenUploads, UploadNotFound, UploadNotOpen
from svc_video.uploads.rules import (
    Declared,
    Limits,
    check_declared,
    content_type_of,
    open_ids,
    part_count,
    part_size,
    reserved,
    whole_parts,
    without_stale,
)
from svc_video.uploads.sessions import MediaQueue, Sessions
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import Upload, UploadState
from svc_video.videos.actions import Progress, Video, VideoActions
from svc_video.viewers import Viewer

__all__ = ["Declared", "MediaQueue", "SeenUpload", "SignedPart", "Streamed", "UploadActions"]

_UNWRITTEN_AFTER_MS = 60_000
"""A reserved place whose session was never written is given back after this; longer than the deadline of any start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPart:
    """Where one part goes."""

    part_number: int
    url: str
    size_bytes: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenUpload:
    """A session with what is known beside its row."""

    upload: Upload
    parts: tuple[BlobPart, ...]
    """Durable parts, ascending; empty once the session has ended."""
    video: Video | None
    progress: Progress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """How far a session is for whoever sends its file in one stream."""

    seen: SeenUpload
    offset_bytes: int
    """Durable from the beginning on."""
    tails_prefix: str = ""
    """Where the beginning of the next part is kept; empty when no part is to come."""
    tail_bytes: int = 0
    """How much of it is there."""


class UploadActions:
    """Use cases of uploads."""

    def __init__(
        self,
        *,
        store: UploadStore,
        sessions: Sessions,
        blobs: Blobs,
        videos: VideoActions,
        requests: RequestLog,
        tokens: PageTokens,
        next_id: Callable[[], int],
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._blobs = blobs
        self._videos = videos
        self._requests = requests
        self._tokens = tokens
        self._next_id = next_id
        self._clock = clock
        self._limits = limits

    async def start(self, viewer: Viewer, declared: Declared, *, request_id: str, body: bytes) -> SeenUpload:
        """Open a session within the creator's quota; a repeat answers the session as it stands now.

        Raises the refusals of `check_declared`, DailyLimitExceeded, TooManyOpenUploads, RequestIdReused.
        """
        check_declared(declared, self._limits)
        claim = await self._requests.claim(
            caller=viewer.user_id, method="StartUpload", request_id=request_id, body=body, new_id=self._next_id
        )
        upload = await self._store.get(claim.resource_id)
        if upload is None:
            await self._reserve(viewer.user_id, claim.resource_id)
            upload = await self._open(viewer.user_id, claim.resource_id, declared)
        await self._videos.open_draft(upload.upload_id, creator_id=upload.creator_id)
        return await self._seen(upload)

    async def sign_parts(self, viewer: Viewer, upload_id: int, part_numbers: Sequence[int]) -> list[SignedPart]:
        """URLs for the named parts, in the order asked, that the store takes a part at; a part may be sent again, the last PUT wins.

        Raises UploadNotFound, UploadNotOpen, PartOutOfRange; then nothing is signed.
        """
        upload = self._still_open(await self._own(viewer, upload_id))
        sizes = [(number, part_size(upload, number)) for number in part_numbers]
        upload = self._still_open(await self._sessions.taking_parts(upload))
        life_ms = min(self._limits.link_ms, upload.ends_at_ms - self._clock.now_ms())
        expires_at_ms = self._clock.now_ms() + life_ms
        key = raw_key(upload_id)
        return [
            SignedPart(
                part_number=number,
                url=await self._blobs.presign_part(key, upload.upload_ref, number, size_bytes=size, expires_in_ms=life_ms),
                size_bytes=size,
                expires_at_ms=expires_at_ms,
            )
            for number, size in sizes
        ]

    async def get(self, viewer: Viewer, upload_id: int) -> SeenUpload:
        """One session of the viewer. Raises UploadNotFound."""
        return await self._seen(await self._own(viewer, upload_id))

    async def offset(self, viewer: Viewer, upload_id: int) -> Streamed:
        """Where a stream goes on: after the whole parts from the first one on, and after the tail that the next part has. Raises UploadNotFound."""
        seen = await self.get(viewer, upload_id)
        upload = seen.upload
        if upload.state is not UploadState.OPEN:
            return Streamed(seen=seen, offset_bytes=upload.size_bytes if upload.state is UploadState.COMPLETED else 0)
        parts = whole_parts(upload, {part.part_number: part.size_bytes for part in seen.parts})
        if parts == upload.part_count or (not seen.parts and await self._sessions.is_joined(upload)):
            return Streamed(seen=seen, offset_bytes=upload.size_bytes)
        try:
            tail_bytes = (await self._blobs.head(tail_key(upload_id, parts + 1))).size_bytes
        except (BlobNotFound, BlobDamaged):
            # What is damaged is sent once more.
            tail_bytes = 0
        if tail_bytes >= part_size(upload, parts + 1):
            tail_bytes = 0
        return Streamed(
            seen=seen, offset_bytes=parts * upload.part_size_bytes + tail_bytes, tails_prefix=tails_prefix(upload_id), tail_bytes=tail_bytes
        )

    async def list_own(self, viewer: Viewer, *, page_size: int, page_token: str) -> tuple[list[SeenUpload], str]:
        """A page of the viewer's sessions, newest first, and the token of the next page."""
        scope = str(viewer.user_id)
        cursor = self._tokens.decode("uploads", scope, page_token)
        page = await self._store.page_of_creator(viewer.user_id, after=cursor, limit=clamp(page_size))
        ids = [entry.upload_id for entry in page.rows]
        found = await self._store.get_many(ids)
        videos = await self._videos.get_many(ids)
        seen = [await self._seen_with(found[upload_id], videos.get(upload_id)) for upload_id in ids if upload_id in found]
        return seen, self._tokens.encode("uploads", scope, page.next)

    async def complete(self, viewer: Viewer, upload_id: int, etags: dict[int, str]) -> SeenUpload:
        """Close the session: answers when the bytes are durable, the row and its event are written and processing is noted; safe to repeat.

        `etags` are the checksums that the client saw, by part; parts that are left out are taken as they are.
        Raises UploadNotFound, UploadNotOpen, PartOutOfRange, MissingParts, SizeMismatch, ChecksumMismatch.
        """
        upload = await self._own(viewer, upload_id)
        beyond = next((number for number in etags if number > upload.part_count), None)
        if beyond is not None:
            raise PartOutOfRange(part_number=beyond, part_count=upload.part_count)
        if upload.state is UploadState.OPEN:
            upload = await self._sessions.complete(upload, etags)
        if upload.state is not UploadState.COMPLETED:
            raise UploadNotOpen(upload_id=upload_id, state=upload.state.name)
        await self._sessions.hand_over(upload)
        return await self._seen(upload)

    async def abort(self, viewer: Viewer, upload_id: int) -> SeenUpload:
        """End the session, delete its bytes and free its quota; safe to repeat. Raises UploadNotFound, UploadNotOpen."""
        upload = await self._sessions.end(await self._own(viewer, upload_id), UploadState.ABORTED)
        if upload.state is not UploadState.ABORTED:
            raise UploadNotOpen(upload_id=upload_id, state=upload.state.name)
        await self._sessions.conclude(upload)
        return await self._seen(upload)

    async def _reserve(self, creator_id: int, upload_id: int) -> None:
        try:
            await self._store.change_quota(
                creator_id, lambda quota: reserved(quota, upload_id, now_ms=self._clock.now_ms(), limits=self._limits)
            )
        except TooManyOpenUploads:
            if not await self._free_stale_places(creator_id):
                raise
            await self._store.change_quota(
                creator_id, lambda quota: reserved(quota, upload_id, now_ms=self._clock.now_ms(), limits=self._limits)
            )

    async def _free_stale_places(self, creator_id: int) -> bool:
        """Give back places that nobody holds: starts that died before they wrote a session. True when there were any."""
        before = await self._store.quota_of(creator_id)
        unwritten = set(open_ids(before)) - (await self._store.get_many(open_ids(before))).keys()
        taken_before_ms = self._clock.now_ms() - _UNWRITTEN_AFTER_MS
        if without_stale(before, unwritten, taken_before_ms=taken_before_ms) == before:
            return False
        await self._store.change_quota(creator_id, lambda quota: without_stale(quota, unwritten, taken_before_ms=taken_before_ms))
        return True

    async def _open(self, creator_id: int, upload_id: int, declared: Declared) -> Upload:
        now_ms = self._clock.now_ms()
        key, content_type = raw_key(upload_id), content_type_of(declared.mime_type)
        upload_ref = await self._blobs.multipart_begin(key, content_type=content_type)
        mine = Upload(
            upload_id=upload_id,
            creator_id=creator_id,
            size_bytes=declared.size_bytes,
            mime_type=content_type,
            declared_duration_ms=declared.duration_ms,
            declared_width=declared.width,
            declared_height=declared.height,
            sha256=declared.sha256,
            part_size_bytes=self._limits.part_bytes,
            part_count=part_count(declared.size_bytes, self._limits.part_bytes),
            upload_ref=upload_ref,
            ends_at_ms=now_ms + self._limits.session_ms,
            created_at_ms=now_ms,
        )
        await self._store.list_unended(mine)
        upload = await self._store.add(mine)
        if upload.upload_ref != upload_ref:
            await self._blobs.multipart_abort(key, upload_ref)
        return upload

    async def _own(self, viewer: Viewer, upload_id: int) -> Upload:
        upload = await self._store.get(upload_id)
        if upload is None or not viewer.user_id or upload.creator_id != viewer.user_id:
            raise UploadNotFound(upload_id=upload_id)
        return upload

    def _still_open(self, upload: Upload) -> Upload:
        if upload.state is not UploadState.OPEN or upload.ends_at_ms <= self._clock.now_ms():
            raise UploadNotOpen(upload_id=upload.upload_id, state=upload.state.name)
        return upload

    async def _seen(self, upload: Upload) -> SeenUpload:
        videos = await self._videos.get_many([upload.upload_id])
        return await self._seen_with(upload, videos.get(upload.upload_id))

    async def _seen_with(self, upload: Upload, video: Video | None) -> SeenUpload:
        parts: tuple[BlobPart, ...] = ()
        if upload.state is UploadState.OPEN:
            try:
                parts = tuple(await self._blobs.multipart_parts(raw_key(upload.upload_id), upload.upload_ref))
            except MultipartGone:
                parts = ()
        progress = None if video is None else self._videos.progress_of(video)
        return SeenUpload(upload=upload, parts=parts, video=video, progress=progress)
