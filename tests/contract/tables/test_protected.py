"""Tables behind their protection keep the contract of the port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mesh.stores.protected.faults import Faults
from mesh.stores.protected.tables import ProtectedTables
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from mesh.testing.tables import OpenTables, TablesContract


class TestProtected(TablesContract):
    @pytest.fixture
    async def open_store(self, tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenTables]:
        opened: list[Tables] = []

        async def open_store(row_types: Sequence[type]) -> Tables:
            engine = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=row_types, clock=clock)
            opened.append(ProtectedTables(engine, telemetry=Telemetry(service="video"), faults=Faults()))
            return opened[-1]

        yield open_store
        for store in opened:
            await store.close()
