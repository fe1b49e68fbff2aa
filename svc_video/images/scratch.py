"""A local copy of an object, for a tool that reads files."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mesh.stores.blobs.port import BlobNotFound, Blobs


@asynccontextmanager
async def scratch_file(blobs: Blobs, key: str) -> AsyncIterator[Path | None]:
    """The copy in a folder of its own, which is gone afterwards with whatever a tool left in it; None when there is no such object."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="clipmesh-picture-"))
    try:
        path: Path | None = folder / "sent"
        try:
            await blobs.get_file(key, folder / "sent")
        except BlobNotFound:
            path = None
        yield path
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
