"""The engine on S3 passes the contract of the port, alone and behind its protection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.stores.protected.blobs import protected_blobs
from mesh.stores.protected.faults import Faults
from mesh.telemetry import Telemetry
from mesh.testing.blobs import BlobsContract


class TestS3Blobs(BlobsContract):
    """All promises, nothing else."""


class TestProtected(BlobsContract):
    @pytest.fixture
    async def blobs(self, own_s3_url: str) -> AsyncIterator[Blobs]:
        engine = open_blobs(own_s3_url, clock=SystemClock(), url_key=b"")
        store = protected_blobs(engine, telemetry=Telemetry(service="video"), faults=Faults())
        await store.prepare()
        yield store
        await store.close()
