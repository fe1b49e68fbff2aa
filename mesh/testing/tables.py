"""The contract suite of the tables port: an engine passes it by subclassing `TablesContract` with an `open_store` fixture of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from mesh.testing.tables_congruence import CongruenceContract
from mesh.testing.tables_guarded import GuardedContract
from mesh.testing.tables_outbox import OpenTables, OutboxContract, RestartContract
from mesh.testing.tables_plain import PlainContract
from mesh.testing.tables_reading import ReadingContract
from mesh.testing.tables_rows import ROW_TYPES

__all__ = ["OpenTables", "TablesContract"]


class TablesContract(GuardedContract, PlainContract, ReadingContract, OutboxContract, RestartContract, CongruenceContract):
    """All that the port promises. `open_store` opens one empty store per test, again when called again, under the fixture `clock`."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The time of the test and of its store."""
        return FakeClock()

    @pytest.fixture
    async def tables(self, open_store: OpenTables) -> AsyncIterator[Tables]:
        """The store with the suite's row types."""
        store = await open_store(ROW_TYPES)
        yield store
        await store.close()
