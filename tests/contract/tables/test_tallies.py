"""Tallied sets keep their promise on the SQLite engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from mesh.testing.tables import OpenTables
from mesh.testing.tables_tallies import TalliesContract


class TestTallies(TalliesContract):
    @pytest.fixture
    async def open_store(self, tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenTables]:
        opened: list[Tables] = []

        async def open_store(row_types: Sequence[type]) -> Tables:
            opened.append(await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=row_types, clock=clock))
            return opened[-1]

        yield open_store
        for store in opened:
            await store.close()
