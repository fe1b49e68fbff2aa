"""Objects behind their protection: the same port, and the same upload door where the engine has one."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from mesh.stores.blobs.door import UploadDoor, UploadTicket
from mesh.stores.blobs.port import (
    BlobDamaged,
    BlobInfo,
    BlobNotFound,
    BlobPage,
    BlobPart,
    BlobRange,
    Blobs,
    BlobsUnavailable,
    OpenMultipart,
    PartMismatch,
    RangeNotSatisfiable,
    Upkeep,
)
from mesh.stores.protected.faults import Faults
from mesh.stores.protected.lane import Lane, Operation, PortErrors
from mesh.stores.protected.protection import Protection
from mesh.stores.protected.settings import BLOBS, ProtectionSettings
from mesh.telemetry import Telemetry

ERRORS: Final = PortErrors(
    unavailable=BlobsUnavailable, failures=(BlobsUnavailable,), answers=(BlobNotFound, BlobDamaged, PartMismatch, RangeNotSatisfiable)
)

_PUT = Operation("put")
_PUT_FILE = Operation("put_file", timed=False)
_GET = Operation("get")
_GET_FILE = Operation("get_file", timed=False)
_HEAD = Operation("head")
_LIST = Operation("list")
_DELETE = Operation("delete")
_DELETE_PREFIX = Operation("delete_prefix", timed=False)
_SEND = Operation("send", timed=False)
_MULTIPART_BEGIN = Operation("multipart_begin")
_MULTIPART_PARTS = Operation("multipart_parts")
_MULTIPART_COMPLETE = Operation("multipart_complete", timed=False)
_MULTIPART_ABORT = Operation("multipart_abort", timed=False)
_MULTIPART_LIST = Operation("multipart_list", timed=False)
# Clients decide how long a body takes.
_RECEIVE = Operation("receive", timed=False, placed=False)


class WatchedChunks:
    """The bytes of an opened object; a failure to bring them counts though the opening succeeded."""

    def __init__(self, inner: AsyncIterator[bytes], lane: Lane) -> None:
        self._inner = inner
        self._lane = lane

    def __aiter__(self) -> WatchedChunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._inner.__anext__()
        except BlobsUnavailable as error:
            self._lane.failed_late(error)
            raise

    async def aclose(self) -> None:
        """Let go of the object before its end; safe to repeat."""
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()


class ProtectedBlobs:
    """Satisfies `mesh.stores.blobs.port.Blobs` with all that the engine promises."""

    def __init__(
        self,
        engine: Blobs,
        *,
        telemetry: Telemetry,
        settings: ProtectionSettings = BLOBS,
        faults: Faults | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._protection = Protection(store="blobs", settings=settings, errors=ERRORS, telemetry=telemetry, faults=faults, now_s=now_s)
        self._reads = self._protection.reads
        self._writes = self._protection.writes

    @property
    def links_origin(self) -> str:
        """See the port."""
        return self.engine.links_origin

    async def prepare(self, upkeep: Upkeep | None = None) -> None:
        """See the port. Before it nothing is known of the store, so nothing is counted."""
        await self.engine.prepare(upkeep)

    async def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """See the port."""
        return await self._writes.run(_PUT, self.engine.put, key, content, content_type=content_type)

    async def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """See the port."""
        return await self._writes.run(_PUT_FILE, self.engine.put_file, key, path, content_type=content_type)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        """See the port. Never shared: each caller reads its own stretch, at its own pace."""
        opened = await self._reads.run(_GET, self.engine.get, key, start=start, end=end)
        return dataclasses.replace(opened, chunks=WatchedChunks(opened.chunks, self._reads))

    async def get_file(self, key: str, path: Path) -> BlobInfo:
        """See the port."""
        return await self._reads.run(_GET_FILE, self.engine.get_file, key, path)

    async def head(self, key: str) -> BlobInfo:
        """See the port."""
        return await self._protection.share(_HEAD, key, lambda: self.engine.head(key))

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000) -> BlobPage:
        """See the port."""
        return await self._protection.share(_LIST, (prefix, after, limit), lambda: self.engine.list(prefix, after=after, limit=limit))

    async def delete(self, keys: Sequence[str]) -> None:
        """See the port."""
        await self._writes.run(_DELETE, self.engine.delete, keys)

    async def delete_prefix(self, prefix: str) -> int:
        """See the port."""
        return await self._writes.run(_DELETE_PREFIX, self.engine.delete_prefix, prefix)

    async def presign_put(self, key: str, *, size_bytes: int, expires_in_ms: int) -> str:
        """See the port. Signing asks nobody."""
        return await self.engine.presign_put(key, size_bytes=size_bytes, expires_in_ms=expires_in_ms)

    async def send(self, link: str, content: bytes) -> str:
        """See the port."""
        return await self._writes.run(_SEND, self.engine.send, link, content)

    async def multipart_begin(self, key: str, *, content_type: str) -> str:
        """See the port."""
        return await self._writes.run(_MULTIPART_BEGIN, self.engine.multipart_begin, key, content_type=content_type)

    async def presign_part(self, key: str, upload_ref: str, part_number: int, *, size_bytes: int, expires_in_ms: int) -> str:
        """See the port. Signing asks nobody."""
        return await self.engine.presign_part(key, upload_ref, part_number, size_bytes=size_bytes, expires_in_ms=expires_in_ms)

    async def multipart_parts(self, key: str, upload_ref: str) -> Sequence[BlobPart]:
        """See the port."""
        return await self._protection.share(
            _MULTIPART_PARTS, (key, upload_ref), lambda: self.engine.multipart_parts(key, upload_ref), copy=tuple
        )

    async def multipart_complete(
        self, key: str, upload_ref: str, *, size_bytes: int, part_size_bytes: int, etags: dict[int, str] | None = None
    ) -> BlobInfo:
        """See the port."""
        return await self._writes.run(
            _MULTIPART_COMPLETE,
            self.engine.multipart_complete,
            key,
            upload_ref,
            size_bytes=size_bytes,
            part_size_bytes=part_size_bytes,
            etags=etags,
        )

    async def multipart_abort(self, key: str, upload_ref: str) -> None:
        """See the port."""
        await self._writes.run(_MULTIPART_ABORT, self.engine.multipart_abort, key, upload_ref)

    async def multipart_list(self, prefix: str) -> Sequence[OpenMultipart]:
        """See the port."""
        return await self._reads.run(_MULTIPART_LIST, self.engine.multipart_list, prefix)

    async def close(self) -> None:
        """See the port."""
        await self.engine.close()


class ProtectedDoor(ProtectedBlobs):
    """As ProtectedBlobs, for an engine that takes the bodies of its upload links itself: satisfies `UploadDoor` too."""

    def __init__(self, engine: Blobs, door: UploadDoor, *, telemetry: Telemetry, faults: Faults | None = None) -> None:
        super().__init__(engine, telemetry=telemetry, faults=faults)
        self._door = door

    def read_link(self, path: str, query: str) -> UploadTicket:
        """See the door."""
        return self._door.read_link(path, query)

    async def receive(self, ticket: UploadTicket, body: AsyncIterator[bytes], *, content_type: str = "", md5: bytes = b"") -> str:
        """See the door."""
        return await self._writes.run(_RECEIVE, self._door.receive, ticket, body, content_type=content_type, md5=md5)


def protected_blobs(engine: Blobs, *, telemetry: Telemetry, faults: Faults | None = None) -> Blobs:
    """The store behind its protection; it has an upload door if the engine has one."""
    if isinstance(engine, UploadDoor):
        return ProtectedDoor(engine, engine, telemetry=telemetry, faults=faults)
    return ProtectedBlobs(engine, telemetry=telemetry, faults=faults)
