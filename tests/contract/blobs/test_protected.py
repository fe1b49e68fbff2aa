"""Objects behind their protection keep the contract of the port, upload door included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.stores.protected.blobs import protected_blobs
from mesh.stores.protected.faults import Faults
from mesh.telemetry import Telemetry
from mesh.testing.blobs import BlobsContract
from mesh.testing.clock import FakeClock
from tests.contract.blobs.conftest import URL_KEY


class TestProtected(BlobsContract):
    @pytest.fixture
    async def blobs(self, folder: Path, clock: FakeClock) -> AsyncIterator[Blobs]:
        engine = open_blobs(f"file://{folder}", clock=clock, url_key=URL_KEY)
        store = protected_blobs(engine, telemetry=Telemetry(service="video"), faults=Faults())
        yield store
        await store.close()
