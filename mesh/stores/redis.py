"""The one door to Redis: connection settings, time limits, bounded retries, one typed error; only commands of Redis 6.2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import redis.asyncio as driver
from redis.asyncio.connection import Connection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as DriverTimeout

from mesh import deadline
from mesh.errors import Unavailable
from mesh.settings import InvalidSetting

Argument = str | bytes | int | float
"""What a command is made of; everything travels as bytes."""

CALL_TIMEOUT_S: Final = 1.0
"""Time limit of one call when the caller's deadline leaves more, in seconds."""
CONNECT_TIMEOUT_S: Final = 1.0
"""Longest wait for a new connection, in seconds."""
MAX_CONNECTIONS: Final = 32
"""Connections of one process; further calls wait for a free one within their time limit."""
REPEAT_AFTER_S: Final = (0.02, 0.1)
"""Pauses before a repeatable command is sent again after a broken connection, in seconds."""

READS: Final = frozenset(
    {"EXISTS", "GET", "MGET", "GETRANGE", "STRLEN", "TTL", "PTTL", "TYPE", "PING", "TIME", "INFO", "SCAN", "DBSIZE"}
    | {"HGET", "HMGET", "HGETALL", "HLEN", "HEXISTS", "SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD", "LRANGE", "LLEN"}
    | {"ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYSCORE", "ZSCORE", "ZMSCORE", "ZCARD", "ZCOUNT", "ZRANK", "PFCOUNT"}
    | {"XRANGE", "XREVRANGE", "XLEN", "XREAD", "XINFO"}
)
"""Commands that change nothing."""

_AWAY: Final = ("MISCONF", "OOM", "READONLY", "BUSY", "NOREPLICAS")
"""How a refusal begins that is the server's state and no fault of the command; inside a script's error it follows a dash."""


class InvalidRedisUrl(InvalidSetting):
    """The URL names no Redis that this build speaks to; the text says which forms it takes."""


class RedisUnavailable(Unavailable):
    """Redis cannot be reached or did not answer in time; whether a write happened is unknown."""

    reason = "REDIS_UNAVAILABLE"


class Script:
    """A Lua script that runs as one atomic step; sent once, then known by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text


class Subscription:
    """Messages of some channels, from the moment it was opened."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub

    async def messages(self) -> AsyncIterator[tuple[str, bytes]]:
        """(channel, payload) for ever; raises RedisUnavailable when the connection breaks, and then messages may have been missed."""
        while True:
            try:
                message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
            except (RedisError, OSError) as error:
                raise RedisUnavailable(f"the subscription broke: {error}") from error
            if message is not None:
                yield message["channel"].decode(), message["data"]


class Redis:
    """A client of one Redis server; answers come as Redis sends them: bytes, ints, lists, None.

    Each call takes its time limit from `mesh.deadline`, at most CALL_TIMEOUT_S, and raises RedisUnavailable when Redis is away or slow. Commands
    that only read are sent again after a broken connection; others only when the caller says with `repeat=True` that twice is the same as once.
    """

    def __init__(self, client: driver.Redis) -> None:
        client.response_callbacks.clear()
        self._client = client
        self._scripts: dict[Script, AsyncScript] = {}

    async def call(self, *command: Argument, repeat: bool = False, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The answer to one command: `await redis.call("SET", key, value, "PX", 500)`."""
        repeatable = repeat or str(command[0]).upper() in READS
        execute: Callable[..., Awaitable[Any]] = self._client.execute_command
        return await self._attempt(lambda: execute(*command), repeatable, timeout_s)

    async def many(
        self, commands: Sequence[Sequence[Argument]], *, atomic: bool = False, repeat: bool = False, timeout_s: float = CALL_TIMEOUT_S
    ) -> list[Any]:
        """The answers to several commands sent in one round trip, in order; `atomic` runs them as one transaction."""
        if not commands:
            return []
        repeatable = repeat or all(str(command[0]).upper() in READS for command in commands)

        async def send() -> Any:
            async with self._client.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()

        answers: list[Any] = await self._attempt(send, repeatable, timeout_s)
        return answers

    async def run(
        self,
        script: Script,
        *,
        keys: Sequence[str | bytes] = (),
        arguments: Sequence[Argument] = (),
        repeat: bool = False,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        """The answer of a script; every key that it touches is named in `keys`."""
        known = self._scripts.get(script)
        if known is None:
            known = self._scripts[script] = self._client.register_script(script.text)
        return await self._attempt(lambda: known(keys=list(keys), args=list(arguments)), repeat, timeout_s)

    @asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[Subscription]:
        """Listen to channels; on entry Redis has confirmed that it sends what comes from now on."""
        async with aclosing(self._client.pubsub()) as pubsub:

            async def confirm() -> None:
                await pubsub.subscribe(*channels)
                for _ in channels:
                    await pubsub.get_message(timeout=None)

            await self._attempt(confirm, repeatable=False, timeout_s=CALL_TIMEOUT_S)
            yield Subscription(pubsub)

    async def ping(self) -> None:
        """Return when Redis answers; raises RedisUnavailable."""
        await self.call("PING")

    async def close(self) -> None:
        """Close all connections; safe to repeat."""
        # One that does not close in time is dropped all the same, and who ends a process has more to close.
        with suppress(RedisError, OSError):
            await self._client.aclose()
        with suppress(RedisError, OSError):
            await self._client.connection_pool.disconnect()

    async def _attempt(self, send: Callable[[], Awaitable[Any]], repeatable: bool, timeout_s: float) -> Any:
        limit_s = deadline.remaining_s(timeout_s)
        if limit_s <= 0:
            raise RedisUnavailable("no time was left to ask Redis")
        pauses = iter(REPEAT_AFTER_S if repeatable else ())
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    try:
                        return await send()
                    except (ConnectionLost, DriverTimeout, BusyLoadingError, OSError) as error:
                        if isinstance(error, AuthenticationError):
                            raise
                        pause_s = next(pauses, None)
                        if pause_s is None:
                            raise RedisUnavailable(f"Redis cannot be reached: {error}") from error
                        await asyncio.sleep(pause_s)
        except TimeoutError as error:
            raise RedisUnavailable(f"Redis did not answer within {limit_s * 1000:.0f} ms") from error
        except (ReadOnlyError, OutOfMemoryError, MasterDownError) as error:
            raise RedisUnavailable(f"Redis takes no writes now: {error}") from error
        except ResponseError as error:
            if str(error).startswith(_AWAY) or any(f" -{word} " in str(error) for word in _AWAY):
                raise RedisUnavailable(f"Redis takes no writes now: {error}") from error
            raise


def open_redis(url: str) -> Redis:
    """A client for `redis://[user:password@]host[:port][/db]`, `rediss://...` or `unix:PATH[?db=N]`; connects with the first call.

    Raises InvalidRedisUrl for everything else, by name for what other deployments use.
    """
    return Redis(driver.Redis.from_pool(_pool(url)))


def _pool(url: str) -> driver.BlockingConnectionPool:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={_shown(url)!r}: {error}") from None
    if parts.scheme == "unix":
        where = unquote(parts.netloc + parts.path)
        if not where:
            raise InvalidRedisUrl(f"CLIPMESH_REDIS={_shown(url)!r} names no socket; write unix:run/redis.sock or unix:///full/path.sock")
        kind: dict[str, Any] = {"connection_class": UnixDomainSocketConnection, "path": where, "db": _database(url, parts.query)}
    elif parts.scheme in {"redis", "rediss"}:
        if not parts.hostname or "," in parts.netloc:
            raise InvalidRedisUrl(f"CLIPMESH_REDIS={_shown(url)!r} has to name one host: redis://host:6379/0; clusters are not supported")
        kind = {
            "connection_class": driver.SSLConnection if parts.scheme == "rediss" else Connection,
            "host": parts.hostname,
            "port": port or 6379,
            "db": _database(url, f"db={parts.path[1:]}" if parts.path.strip("/") else parts.query),
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "socket_keepalive": True,
        }
    elif parts.scheme.endswith(("sentinel", "cluster")):
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={parts.scheme}://... is not supported: give the address of one Redis, redis://host:6379/0")
    else:
        raise InvalidRedisUrl(
            f"CLIPMESH_REDIS={_shown(url)!r} is no Redis URL; write redis://host:6379/0, rediss://host:6380/0 or unix:run/redis.sock"
        )
    return driver.BlockingConnectionPool(
        max_connections=MAX_CONNECTIONS,
        timeout=None,
        protocol=2,
        decode_responses=False,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        **kind,
    )


def _database(url: str, query: str) -> int:
    options = parse_qs(query, keep_blank_values=True)
    number = options.pop("db", ["0"])[0]
    if options or not number.isdigit():
        raise InvalidRedisUrl(f"CLIPMESH_REDIS={_shown(url)!r}: only a database number may follow, as /0 or ?db=0")
    return int(number)


def _shown(url: str) -> str:
    """The URL as it may stand in a log: without what stands before an @."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}***@{rest.rpartition('@')[2]}" if "@" in rest else url
