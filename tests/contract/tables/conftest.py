"""Lets failed assertions of the shared suite show their values."""

import pytest

for _name in ("guarded", "plain", "reading", "outbox", "congruence", "rows", "tallies"):
    pytest.register_assert_rewrite(f"mesh.testing.tables_{_name}")
