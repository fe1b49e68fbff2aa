"""Puts a stream of bytes into the parts of a session: whole parts as they fill, and the beginning of the next one when the stream ends or breaks.

A whole part goes through the same signed link as a part of the other door. What is no whole part yet is kept as an object of its own, the tail,
whose key the video service names.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing
from http import HTTPStatus

from clipmesh.video.v1 import upload_service_pb2 as pb2
from clipmesh.video.v1.upload_service_pb2_grpc import UploadServiceStub

from gateway.media.problems import Problem, store_unavailable
from gateway.tus.body import ClientGone
from gateway.tus.headers import Checksum, digest_of
from gateway.tus.problems import TooLarge, WrongChecksum
from mesh import deadline
from mesh.errors import MeshError
from mesh.stores.blobs.port import BlobDamaged, BlobNotFound, Blobs, BlobsError

_KEEP_S = 4.0
"""How long a broken stream may take to keep its tail; shorter than whoever waits for it does."""

Acting = Callable[[], AbstractContextManager[None]]


class PartStream:
    """One stream into one open session; never more than what is missing of one part in memory, plus a body that has to be checked whole."""

    def __init__(self, *, uploads: UploadServiceStub, acting: Acting, blobs: Blobs, at: pb2.GetUploadOffsetResponse) -> None:
        self._uploads = uploads
        self._acting = acting
        self._blobs = blobs
        self._upload = at.upload
        self._tails_prefix = at.tails_prefix
        self._tail_bytes = at.tail_bytes
        self._part = (at.offset_bytes - at.tail_bytes) // at.upload.part_size_bytes + 1
        self._held = bytearray()
        self.offset_bytes = at.offset_bytes
        """Durable from the beginning on."""

    async def write(self, pieces: AsyncGenerator[bytes, None], checksum: Checksum | None) -> None:
        """Take a body that goes on at `offset_bytes`; returns when all of it is durable.

        With a checksum nothing is kept before all of it is there and right. Raises Problem, ClientGone, MeshError.
        """
        try:
            await self._load_tail()
            digest = None if checksum is None else digest_of(checksum)
            try:
                await self._take(pieces, digest)
            except TooLarge:
                raise
            except (ClientGone, Problem, asyncio.CancelledError):
                if digest is None:
                    await self._keep_broken()
                raise
            if checksum is not None and digest is not None and not checksum.matches(digest.digest()):
                raise WrongChecksum
            await self._flush()
            await self._keep_tail()
        except BlobNotFound:
            raise Problem(HTTPStatus.GONE, "UPLOAD_NOT_OPEN", "This upload is over.") from None
        except BlobsError:
            raise store_unavailable() from None

    async def _take(self, pieces: AsyncGenerator[bytes, None], digest: hashlib._Hash | None) -> None:
        remaining = self._upload.size_bytes - self.offset_bytes
        most = remaining if digest is None else min(remaining, self._upload.part_size_bytes)
        taken = 0
        async with aclosing(pieces):
            async for piece in pieces:
                taken += len(piece)
                if taken > most:
                    raise TooLarge(most)
                self._held += piece
                if digest is None:
                    await self._flush()
                else:
                    digest.update(piece)

    async def _load_tail(self) -> None:
        if not self._tail_bytes:
            return
        try:
            tail = await (await self._blobs.get(self._tail_key)).read()
        except (BlobNotFound, BlobDamaged):
            tail = b""
        if len(tail) != self._tail_bytes:
            raise Problem(HTTPStatus.CONFLICT, "OFFSET_MISMATCH", "The upload moved meanwhile; ask for the offset.")
        self._held += tail

    async def _flush(self) -> None:
        """Make every part durable that is whole."""
        while self._part <= self._upload.part_count and len(self._held) >= (size := self._size_of_part()):
            with self._acting():
                signed = await self._uploads.SignUploadParts(
                    pb2.SignUploadPartsRequest(upload_id=self._upload.upload_id, part_numbers=[self._part])
                )
            await self._blobs.send(signed.parts[0].url, bytes(self._held[:size]))
            del self._held[:size]
            if self._tail_bytes:
                await self._blobs.delete([self._tail_key])
            self.offset_bytes = min(self._part * self._upload.part_size_bytes, self._upload.size_bytes)
            self._part += 1
            self._tail_bytes = 0

    @property
    def _tail_key(self) -> str:
        return f"{self._tails_prefix}{self._part:05d}"

    def _size_of_part(self) -> int:
        begins = (self._part - 1) * self._upload.part_size_bytes
        return min(self._upload.part_size_bytes, self._upload.size_bytes - begins)

    async def _keep_tail(self) -> None:
        if len(self._held) > self._tail_bytes:
            await self._blobs.put(self._tail_key, bytes(self._held))
            self.offset_bytes += len(self._held) - self._tail_bytes
            self._tail_bytes = len(self._held)

    async def _keep_broken(self) -> None:
        """Keep what a broken stream brought; when that fails the last part counts, and the client hears of the break, not of this."""
        with deadline.scope(_KEEP_S):
            try:
                await self._keep_tail()
            except (BlobsError, MeshError):
                return
