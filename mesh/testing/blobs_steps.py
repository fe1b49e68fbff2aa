"""Contents and steps that the suites of the blobs port share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from mesh.stores.blobs.port import BlobNotFound, BlobRange, Blobs, Upkeep

PutTo = Callable[[str, bytes], Awaitable[tuple[int, str]]]
"""PUT a body to an upload link: status and etag, the latter empty on refusal."""
LetPass = Callable[[int], Awaitable[None]]
"""Let so many milliseconds pass for the engine, by its clock or really."""

PART = 5 * 1024 * 1024
"""The smallest part that S3 takes before the last one."""
MINUTE_MS = 60_000
UPKEEP = Upkeep(unfinished_days=3, left_over_days={"work/": 3})
FIRST, SECOND, LAST = b"1" * PART, b"2" * PART, b"the end"
WHOLE = FIRST + SECOND + LAST
OLD, NEW = bytes(range(256)) * 1024, bytes(reversed(range(256))) * 1024
"""256 KiB each; 64 times that is more than what lies between a store and its reader."""


async def read(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    """The bytes of a stretch."""
    return await (await blobs.get(key, start=start, end=end)).read()


async def keys(blobs: Blobs, prefix: str = "") -> list[str]:
    """All keys under a prefix."""
    return [info.key for info in (await blobs.list(prefix)).blobs]


async def rest_is_or_is_gone(opened: BlobRange, expected: bytes) -> None:
    """What comes is the beginning of what was expected; the end of it is missing only because the object is not there any more."""
    rest = bytearray()
    try:
        async for chunk in opened.chunks:
            rest += chunk
    except BlobNotFound:
        assert bytes(rest) == expected[: len(rest)]
    else:
        assert bytes(rest) == expected
    finally:
        await opened.aclose()


def names(folder: Path) -> list[str]:
    """What lies in a local folder, hidden files too, beside the store itself."""
    return sorted(entry.name for entry in folder.iterdir() if entry.name != "store")


async def put_part(blobs: Blobs, put_to: PutTo, key: str, ref: str, *, number: int, body: bytes) -> str:
    """Upload one part through its link; the etag."""
    url = await blobs.presign_part(key, ref, number, size_bytes=len(body), expires_in_ms=MINUTE_MS)
    status, etag = await put_to(url, body)
    assert status == 200
    return etag


async def begin(blobs: Blobs, put_to: PutTo, key: str, parts: Sequence[tuple[int, bytes]]) -> tuple[str, dict[int, str]]:
    """Begin an upload and send parts in the order given; its reference and the etags."""
    ref = await blobs.multipart_begin(key, content_type="video/mp4")
    return ref, {number: await put_part(blobs, put_to, key, ref, number=number, body=body) for number, body in parts}
