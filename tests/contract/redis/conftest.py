"""A real redis-server of each test's own, of the oldest version that we promise to work with."""

from __future__ import annotations

from tests.fixtures.redis import redis, redis_6_2_server  # noqa: F401
