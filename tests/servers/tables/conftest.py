"""Lets failed assertions of the shared suite show their values; the fixtures of this folder are in `stores`."""

import pytest

for _name in ("guarded", "plain", "reading", "outbox", "congruence", "rows", "tallies"):
    pytest.register_assert_rewrite(f"mesh.testing.tables_{_name}")
for _name in ("ledger", "stores"):
    pytest.register_assert_rewrite(f"tests.servers.tables.{_name}")

from tests.servers.tables.stores import driver, emptied_url, keyspace, open_store_again, shared_url  # noqa: E402, F401
