"""The bytes of a stretch of an object, fetched window by window and handed out piece by piece."""

from __future__ import annotations

import threading

from urllib3.response import BaseHTTPResponse

from mesh.stores.blobs.port import BlobInfo, BlobNotFound
from mesh.stores.blobs.s3.answers import read_some
from mesh.stores.blobs.s3.bucket import Bucket
from mesh.stores.blobs.s3.errors import StoreRefused, StoreUnreachable
from mesh.stores.blobs.s3.line import Line
from mesh.stores.blobs.s3.lines import Lines
from mesh.stores.blobs.s3.pool import hold_answer

CHUNK_BYTES = 256 * 1024
"""How much one step of the iterator brings, and the narrowest window."""
WINDOW_BYTES = 4 * 1024 * 1024
"""How much is fetched at once while there is room."""
_ROOM_BYTES = 128 * 1024 * 1024
"""Fetched and not yet taken by slow readers; beyond it windows are narrow."""
_ATTEMPTS = 3


class Room:
    """How much of all stretches of a store lies in memory."""

    def __init__(self) -> None:
        self._held_bytes = 0
        self._turn = threading.Lock()

    def window_bytes(self) -> int:
        """How much the next window may bring."""
        return WINDOW_BYTES if self._held_bytes < _ROOM_BYTES else CHUNK_BYTES

    def change(self, by_bytes: int) -> None:
        """Count bytes that came or went."""
        with self._turn:
            self._held_bytes += by_bytes


class S3Stretch:
    """An iterator over [start, end) of exactly the object that was opened.

    An answer is never left half read while its reader takes its time: MinIO lets nobody replace or delete an object of which somebody still reads,
    so that one slow viewer could hold up a takedown. Each window after the first is asked for by the tag of the object; when that is gone there is
    no rest, and never one of another object.
    """

    def __init__(self, *, info: BlobInfo, start: int, end: int, bucket: Bucket, lines: Lines, room: Room) -> None:
        self._info = info
        self._at = start
        """Where the window that is held ends."""
        self._end = end
        self._bucket = bucket
        self._lines = lines
        self._room = room
        self._window = b""
        self._taken = 0
        """How much of the window was handed out."""
        self._closed = False

    def begin(self, line: Line, answer: BaseHTTPResponse, ends: int) -> S3Stretch:
        """Take the first window from the answer that opened the object, in the same thread: small objects cost one call."""
        self._fetch(line, (answer, ends))
        return self

    def __aiter__(self) -> S3Stretch:
        return self

    async def __anext__(self) -> bytes:
        if not await self._has_more():
            raise StopAsyncIteration
        return self._take(CHUNK_BYTES)

    async def rest(self) -> bytes:
        """All that is left, in one piece; a single window is handed out as it came."""
        pieces = []
        while await self._has_more():
            pieces.append(self._take(len(self._window)))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _has_more(self) -> bool:
        if self._taken < len(self._window):
            return True
        if self._at >= self._end or self._closed:
            return False
        await self._lines.run(self._fetch)
        return self._taken < len(self._window)

    def _take(self, size_bytes: int) -> bytes:
        chunk = self._window[self._taken : self._taken + size_bytes]
        self._taken += len(chunk)
        if self._taken == len(self._window):
            self._window, self._taken = b"", 0
        self._room.change(-len(chunk))
        return chunk

    async def aclose(self) -> None:
        """Let go of the object; safe to repeat."""
        self._closed = True
        self._forget()

    def _fetch(self, line: Line, opened: tuple[BaseHTTPResponse, int] | None = None) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                answer, ends = opened or self._go_on()
                window = _drain(line, answer, ends - self._at)
            except StoreUnreachable:
                opened = None
                line.left_s()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                self._at = ends
                if not self._closed:
                    self._window, self._taken = window, 0
                    self._room.change(len(window))
                return

    def _go_on(self) -> tuple[BaseHTTPResponse, int]:
        ends = min(self._end, self._at + self._room.window_bytes())
        try:
            answer, _, ends = self._bucket.open(self._info.key, start=self._at, end=ends, etag=self._info.etag)
        except StoreRefused as refused:
            if refused.code in {"PreconditionFailed", "InvalidRange"}:
                raise BlobNotFound("the object was replaced while it was read") from None
            raise
        return answer, ends

    def _forget(self) -> None:
        self._room.change(self._taken - len(self._window))
        self._window, self._taken = b"", 0

    def __del__(self) -> None:
        self._forget()


def _drain(line: Line, answer: BaseHTTPResponse, size_bytes: int) -> bytes:
    try:
        hold_answer(line, answer)
        window = read_some(answer, size_bytes)
        if len(window) < size_bytes:
            raise StoreUnreachable("the answer of the store ended early")
        return window
    finally:
        # One that was read to its end has given its connection back.
        answer.close()
