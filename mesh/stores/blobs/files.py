"""The engine on files: one folder that several processes share, everything blocking in threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from mesh.clock import Clock
from mesh.stores.blobs import links
from mesh.stores.blobs.disk import Draft, Scratch, check_stop, copy_bytes
from mesh.stores.blobs.door import BodyChecksumMismatch, BodySizeMismatch, UploadTicket
from mesh.stores.blobs.keys import check_key, check_prefix
from mesh.stores.blobs.multipart import MultipartFolders
from mesh.stores.blobs.objects import ObjectFiles
from mesh.stores.blobs.parts import MAX_PART_NUMBER
from mesh.stores.blobs.port import (
    BlobInfo,
    BlobNotFound,
    BlobPage,
    BlobPart,
    BlobRange,
    InvalidKey,
    OpenMultipart,
    RangeNotSatisfiable,
    Upkeep,
)
from mesh.stores.blobs.stretch import Stretch
from mesh.stores.blobs.threads import Threads
from mesh.stores.blobs.trailer import Trailer

BODY_BYTES = 1024 * 1024
"""How much of an arriving body is gathered for one write."""
MAX_PAGE = 1000


class FileBlobs:
    """Objects in a folder, and the upload door to it."""

    def __init__(self, root: Path, *, clock: Clock, url_key: bytes) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock = clock
        self._url_key = url_key
        self._scratch = Scratch(root / "scratch")
        self._objects = ObjectFiles(root / "objects")
        self._multipart = MultipartFolders(root / "multipart", scratch=self._scratch, objects=self._objects)
        self._threads = Threads()
        self._completions: dict[tuple[object, ...], asyncio.Future[BlobInfo]] = {}

    @property
    def links_origin(self) -> str:
        """Links are relative."""
        return ""

    async def prepare(self, upkeep: Upkeep | None = None) -> None:
        """The folder was made when the store was opened; what is left over in it only its owner removes."""

    async def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Write a whole object."""
        check_key(key)

        def work(stop: threading.Event) -> BlobInfo:
            draft = Draft(self._scratch)
            try:
                draft.append(content)
                check_stop(stop)
                return self._place(draft, key, content_type)
            finally:
                draft.discard()

        return await self._threads.run(work)

    async def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Write a whole object from a local file."""
        check_key(key)

        def work(stop: threading.Event) -> BlobInfo:
            draft = Draft(self._scratch)
            try:
                if not path.is_file():
                    raise ValueError(f"{path} is no file")
                with path.open("rb", buffering=0) as source:
                    while chunk := source.read(BODY_BYTES):
                        check_stop(stop)
                        draft.append(chunk)
                return self._place(draft, key, content_type)
            finally:
                draft.discard()

        return await self._threads.run(work, long=True)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        """Open a stretch of an object."""
        check_key(key)

        def work(_: threading.Event) -> BlobRange:
            descriptor, info = self._objects.open(key)
            to = info.size_bytes if end is None else min(end, info.size_bytes)
            chunks = Stretch(descriptor, start=start, end=to, threads=self._threads)
            if start < 0 or to < start or (start >= info.size_bytes and (start, info.size_bytes) != (0, 0)):
                chunks.close()
                raise RangeNotSatisfiable(f"{key} has {info.size_bytes} bytes; [{start}, {end}) lies outside")
            return BlobRange(info=info, start=start, end=to, chunks=chunks)

        return await self._threads.run(work)

    async def get_file(self, key: str, path: Path) -> BlobInfo:
        """Copy an object into a local file, which appears whole or not at all."""
        check_key(key)

        def work(stop: threading.Event) -> BlobInfo:
            source, info = self._objects.open(key)
            unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
            try:
                target = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                try:
                    copy_bytes(source, target, info.size_bytes, stop)
                finally:
                    os.close(target)
                unfinished.replace(path)
            finally:
                os.close(source)
                unfinished.unlink(missing_ok=True)
            return info

        return await self._threads.run(work, long=True)

    async def head(self, key: str) -> BlobInfo:
        """What is known of an object."""
        check_key(key)
        return await self._threads.run(lambda _: self._objects.head(key))

    async def list(self, prefix: str, *, after: str = "", limit: int = MAX_PAGE) -> BlobPage:
        """One page of objects in key order."""
        check_prefix(prefix)
        size = max(1, min(limit, MAX_PAGE))

        def work(stop: threading.Event) -> BlobPage:
            keys = list(islice(self._objects.keys(prefix, after), size + 1))
            blobs = []
            for key in keys[:size]:
                check_stop(stop)
                with contextlib.suppress(BlobNotFound):
                    blobs.append(replace(self._objects.head(key), content_type=""))
            return BlobPage(blobs=tuple(blobs), next=keys[size - 1] if len(keys) > size else "")

        return await self._threads.run(work)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects."""
        for key in keys:
            check_key(key)

        def work(stop: threading.Event) -> None:
            for key in keys:
                check_stop(stop)
                self._objects.delete(key)

        await self._threads.run(work)

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object under a prefix."""
        if not check_prefix(prefix):
            raise InvalidKey("an empty prefix would delete everything")

        def work(stop: threading.Event) -> int:
            gone = 0
            # The walk reads a folder's names before it yields, so that deleting under it skips nothing.
            for key in self._objects.keys(prefix, ""):
                check_stop(stop)
                gone += self._objects.delete(key)
            return gone

        return await self._threads.run(work, long=True)

    async def presign_put(self, key: str, *, size_bytes: int, expires_in_ms: int) -> str:
        """A link to PUT a whole object to."""
        return self._sign(UploadTicket(key=key, size_bytes=size_bytes, expires_at_ms=self._clock.now_ms() + expires_in_ms))

    async def multipart_begin(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload."""
        check_key(key)
        return await self._threads.run(lambda _: self._multipart.begin(key, content_type, self._clock.now_ms()))

    async def presign_part(self, key: str, upload_ref: str, part_number: int, *, size_bytes: int, expires_in_ms: int) -> str:
        """A link to PUT one part to."""
        if not 1 <= part_number <= MAX_PART_NUMBER:
            raise ValueError(f"part {part_number} is not within 1 to {MAX_PART_NUMBER}")
        expires_at_ms = self._clock.now_ms() + expires_in_ms
        return self._sign(
            UploadTicket(key=key, size_bytes=size_bytes, expires_at_ms=expires_at_ms, upload_ref=upload_ref, part_number=part_number)
        )

    async def multipart_parts(self, key: str, upload_ref: str) -> Sequence[BlobPart]:
        """Durable parts, ascending."""
        check_key(key)
        return await self._threads.run(lambda _: self._multipart.parts(key, upload_ref))

    async def multipart_complete(
        self, key: str, upload_ref: str, *, size_bytes: int, part_size_bytes: int, etags: Mapping[int, str] | None = None
    ) -> BlobInfo:
        """Join the parts; callers of the same upload wait for the same work, which outlives their deadlines."""
        check_key(key)

        def work(closing: threading.Event) -> BlobInfo:
            return self._multipart.complete(
                key,
                upload_ref,
                size_bytes=size_bytes,
                part_size_bytes=part_size_bytes,
                etags=etags,
                now_ms=self._clock.now_ms(),
                stop=closing,
            )

        call = (key, upload_ref, size_bytes, part_size_bytes, tuple(sorted((etags or {}).items())))
        running = self._completions.get(call)
        if running is None:
            running = self._threads.start(work)
            self._completions[call] = running
            running.add_done_callback(lambda _: self._completions.pop(call, None))
        return await self._threads.wait(asyncio.shield(running))

    async def multipart_abort(self, key: str, upload_ref: str) -> None:
        """End an upload and delete its parts."""
        check_key(key)
        await self._threads.run(lambda stop: self._multipart.abort(key, upload_ref, stop), long=True)

    async def multipart_list(self, prefix: str) -> Sequence[OpenMultipart]:
        """Uploads that are open under a prefix."""
        check_prefix(prefix)
        return await self._threads.run(lambda _: self._multipart.open_uploads(prefix), long=True)

    async def send(self, link: str, content: bytes) -> str:
        """PUT a body to a link of ours from here."""
        url = urlsplit(link)

        async def body() -> AsyncIterator[bytes]:
            yield content

        return await self.receive(self.read_link(url.path, url.query), body())

    def read_link(self, path: str, query: str) -> UploadTicket:
        """What one of our upload links allows."""
        return links.read_link(path, query, url_key=self._url_key, now_ms=self._clock.now_ms())

    async def receive(self, ticket: UploadTicket, body: AsyncIterator[bytes], *, content_type: str = "", md5: bytes = b"") -> str:
        """Take the body of an upload link, never more than one gathered write in memory."""
        if ticket.part_number:
            await self._threads.run(lambda _: self._multipart.check_open(ticket.key, ticket.upload_ref))
        draft = Draft(self._scratch)

        def finish(rest: bytes) -> str:
            draft.append(rest)
            if md5 and draft.md5 != md5:
                raise BodyChecksumMismatch
            if ticket.part_number:
                return self._multipart.place(draft, ticket.key, ticket.upload_ref, ticket.part_number).etag
            return self._place(draft, ticket.key, content_type or "application/octet-stream").etag

        try:
            received, gathered = 0, bytearray()
            async for chunk in body:
                received += len(chunk)
                if received > ticket.size_bytes:
                    raise BodySizeMismatch(f"the link takes {ticket.size_bytes} bytes, more came")
                gathered += chunk
                if len(gathered) >= BODY_BYTES:
                    full, gathered = bytes(gathered), bytearray()
                    await self._threads.run(lambda _, full=full: draft.append(full))  # type: ignore[misc]
            if received < ticket.size_bytes:
                raise BodySizeMismatch(f"the link takes {ticket.size_bytes} bytes, {received} came")
            rest = bytes(gathered)
            return await self._threads.run(lambda _: finish(rest))
        finally:
            await asyncio.shield(asyncio.to_thread(draft.discard))

    async def close(self) -> None:
        """Stop what runs and let go of the folder."""
        await self._threads.close()
        await asyncio.to_thread(self._scratch.close)

    def _sign(self, ticket: UploadTicket) -> str:
        check_key(ticket.key)
        if ticket.size_bytes < 0:
            raise ValueError(f"{ticket.size_bytes} is no size")
        return links.sign_link(ticket, self._url_key)

    def _place(self, draft: Draft, key: str, content_type: str) -> BlobInfo:
        facts = Trailer(size_bytes=draft.size_bytes, etag=draft.md5.hex(), content_type=content_type, modified_at_ms=self._clock.now_ms())
        return self._objects.place(draft, key, facts)
