"""Tallied sets keep their promise on the CQL engine, against a real server."""

from __future__ import annotations

import pytest

from mesh.testing.tables import OpenTables
from mesh.testing.tables_tallies import TalliesContract

pytestmark = pytest.mark.timeout(240)
"""Each conditional write costs a real server four rounds, and other servers share the machine."""


class TestTallies(TalliesContract):
    @pytest.fixture
    def open_store(self, open_store_again: OpenTables) -> OpenTables:
        return open_store_again
