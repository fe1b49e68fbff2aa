"""Uploads that the engine on S3 lost: the video service on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.video.lost_uploads import LostUploadsContract
from tests.service.video.world import World, world_in

PART_BYTES = 5 * 1024 * 1024
"""The smallest part that S3 takes before the last one."""


@pytest.fixture
async def world(tmp_path: Path, own_s3_url: str) -> AsyncIterator[World]:
    async with world_in(tmp_path, blobs=own_s3_url, upload_part_bytes=PART_BYTES) as world:
        await world.blobs.prepare()
        yield world


class TestLostUploads(LostUploadsContract):
    """All of it, nothing else."""
