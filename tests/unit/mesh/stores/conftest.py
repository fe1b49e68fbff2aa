"""A Redis of its own for each test that asks for one."""

from tests.fixtures.redis import redis, redis_server  # noqa: F401
