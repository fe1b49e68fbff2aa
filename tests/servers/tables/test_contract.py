"""The CQL engine keeps the contract of the tables port, against a real server."""

from __future__ import annotations

import pytest

from mesh.testing.tables import OpenTables, TablesContract

pytestmark = pytest.mark.timeout(240)
"""Each conditional write costs a real server four rounds, and other servers share the machine."""


class TestCql(TablesContract):
    @pytest.fixture
    def open_store(self, open_store_again: OpenTables) -> OpenTables:
        return open_store_again
