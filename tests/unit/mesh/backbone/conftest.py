"""A Redis of its own for each test."""

from tests.fixtures.redis import redis, redis_server  # noqa: F401
