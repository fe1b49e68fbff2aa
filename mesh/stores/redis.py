"""The one door to Redis: time limits, bounded retries, typed errors; only commands of Redis 6.2.

Unavailable
└── RedisUnavailable      Redis cannot be reached or did not answer in time
    └── RedisNotAllowed   Redis does not let this client in, or not to this command; an operator has to mend it
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

import redis.asyncio as driver
from redis.commands.core import AsyncScript
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as DriverTimeout

from mesh import deadline
from mesh.errors import Unavailable
from mesh.stores.redis_connections import connection_pool
from mesh.stores.redis_url import InvalidRedisUrl, RedisUrl

__all__ = [
    "CALL_TIMEOUT_S",
    "READS",
    "Argument",
    "InvalidRedisUrl",
    "Redis",
    "RedisNotAllowed",
    "RedisUnavailable",
    "Script",
    "Subscription",
]

Argument = str | bytes | int | float
"""What a command is made of; everything travels as bytes."""

CALL_TIMEOUT_S: Final = 1.0
"""Time limit of one call when the caller's deadline leaves more, in seconds."""
REPEAT_AFTER_S: Final = (0.02, 0.1)
"""Pauses before a repeatable command is sent again after a broken connection, in seconds."""
QUIET_S: Final = 2.0
"""A subscription that heard nothing for so long asks for a sign of life, in seconds: a connection to a frozen server looks like a quiet one."""
SIGN_OF_LIFE_S: Final = 1.0
"""How long the sign of life may take, in seconds."""

READS: Final = frozenset(
    {"EXISTS", "GET", "MGET", "GETRANGE", "STRLEN", "TTL", "PTTL", "TYPE", "PING", "TIME", "INFO", "SCAN", "DBSIZE"}
    | {"HGET", "HMGET", "HGETALL", "HLEN", "HEXISTS", "SMEMBERS", "SISMEMBER", "SMISMEMBER", "SCARD", "LRANGE", "LLEN"}
    | {"ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYSCORE", "ZSCORE", "ZMSCORE", "ZCARD", "ZCOUNT", "ZRANK", "PFCOUNT"}
    | {"XRANGE", "XREVRANGE", "XLEN", "XREAD", "XINFO"}
)
"""Commands that change nothing."""

_GARBLED: Final = (InvalidResponse, ValueError, LookupError, TypeError)
"""How the driver meets an answer that is none: bytes were altered on the way, and the connection is given up."""
_NOT_ALLOWED: Final = ("NOPERM", "NOAUTH", "WRONGPASS")
_AWAY: Final = ("MISCONF", "OOM", "READONLY", "BUSY", "NOREPLICAS")
"""How a refusal begins that is the server's state and no fault of the command; inside a script's error it follows a dash."""


class RedisUnavailable(Unavailable):
    """Redis cannot be reached or did not answer in time; whether a write happened is unknown."""

    reason = "REDIS_UNAVAILABLE"


class RedisNotAllowed(RedisUnavailable):
    """Redis does not let this client in, or not to this command; the text says what it said."""


class Script:
    """A Lua script that runs as one atomic step; sent once, then known by its digest."""

    def __init__(self, text: str) -> None:
        self.text = text


class Subscription:
    """Messages of some channels, from the moment it was opened."""

    def __init__(self, pubsub: Any, *, quiet_s: float = QUIET_S, sign_of_life_s: float = SIGN_OF_LIFE_S) -> None:
        self._pubsub = pubsub
        self._quiet_s = quiet_s
        self._sign_of_life_s = sign_of_life_s

    async def messages(self) -> AsyncIterator[tuple[str, bytes]]:
        """(channel, payload) for ever; raises RedisUnavailable when the connection breaks, and then messages may have been missed."""
        asked = False
        while True:
            try:
                message = await self._pubsub.get_message(
                    ignore_subscribe_messages=True, timeout=self._sign_of_life_s if asked else self._quiet_s
                )
                if message is None and asked:
                    raise RedisUnavailable("the subscription is silent, and so is the server when it is asked")
                asked = message is None
                if asked:
                    async with asyncio.timeout(self._sign_of_life_s):
                        await self._pubsub.ping()
            except (RedisError, OSError, *_GARBLED) as error:
                raise RedisUnavailable(f"the subscription broke: {error}") from error
            if message is not None and message["type"] == "message":
                yield message["channel"].decode(errors="replace"), message["data"]


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
                    except (AuthenticationError, AuthorizationError):
                        raise
                    except (ConnectionLost, DriverTimeout, BusyLoadingError, OSError, *_GARBLED) as error:
                        pause_s = next(pauses, None)
                        if pause_s is None:
                            raise RedisUnavailable(f"Redis cannot be reached: {error}") from error
                        await asyncio.sleep(pause_s)
        except TimeoutError as error:
            raise RedisUnavailable(f"Redis did not answer within {limit_s * 1000:.0f} ms") from error
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise RedisNotAllowed(f"Redis refuses this client: {error}") from error
        except (ReadOnlyError, OutOfMemoryError, MasterDownError) as error:
            raise RedisUnavailable(f"Redis takes no writes now: {error}") from error
        except ResponseError as error:
            if _says(error, _AWAY):
                raise RedisUnavailable(f"Redis takes no writes now: {error}") from error
            if _says(error, _NOT_ALLOWED):
                raise RedisNotAllowed(f"Redis refuses this client: {error}") from error
            raise


def _says(error: ResponseError, words: tuple[str, ...]) -> bool:
    """Whether a refusal begins with one of the words; inside a script's error they follow a dash."""
    return str(error).startswith(words) or any(f" -{word} " in str(error) for word in words)


def open_redis(url: str) -> Redis:
    """A client for the server that `url` names, in one of the forms of `redis_url`; connects with the first call.

    Raises InvalidRedisUrl for everything else, by name for what other deployments use.
    """
    return Redis(driver.Redis.from_pool(connection_pool(RedisUrl.parse(url))))
