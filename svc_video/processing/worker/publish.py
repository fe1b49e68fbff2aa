"""Puts what a job made into the blob store: media first, then the playlists that name it, masters last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

from mesh.stores.blobs.port import Blobs
from svc_video.processing.media import PackagedFile

_AT_ONCE = 8
_PLAYLISTS = (".m3u8", ".mpd")


async def publish(
    blobs: Blobs, *, prefix: str, folder: Path, files: Iterable[PackagedFile], before_masters: Callable[[], Awaitable[None]]
) -> None:
    """Put packaged files in their listed order, media in parallel, so that no playlist ever names an object that is not there.

    `before_masters` is awaited before the first object that may replace another one; when it raises, those stay as they are.
    """
    listed = list(files)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def put(file: PackagedFile) -> None:
        async with slots:
            await blobs.put_file(f"{prefix}{file.name}", folder / file.name, content_type=file.content_type)

    await together(*(put(file) for file in listed if not file.name.endswith(_PLAYLISTS)))
    asked = False
    for file in listed:
        if not file.name.endswith(_PLAYLISTS):
            continue
        if not file.immutable and not asked:
            await before_masters()
            asked = True
        await put(file)


async def put_all(blobs: Blobs, files: Mapping[str, Path], *, content_type: str) -> None:
    """Put files under their keys, several at once."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def put(key: str, path: Path) -> None:
        async with slots:
            await blobs.put_file(key, path, content_type=content_type)

    await together(*(put(key, path) for key, path in files.items()))


async def together(*works: Awaitable[object]) -> None:
    """Run all; when one fails the others are cancelled and its own error is raised, not a group of errors."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
