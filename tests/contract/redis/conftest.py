"""A real redis-server of each test's own."""

from __future__ import annotations

from tests.fixtures.redis import redis, redis_server  # noqa: F401
