"""What a process looks at before it starts on a Redis: that it is let in, that the server is a master, and that it keeps what it is given."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from typing import Final

from redis.exceptions import ResponseError

from mesh.stores.redis import Redis, RedisNotAllowed, RedisUnavailable, Script
from mesh.stores.redis_connections import NotAMaster, info_of
from mesh.stores.redis_sentinels import MasterNotWatched
from mesh.stores.redis_url import InvalidRedisUrl

CHECK_TIMEOUT_S: Final = 3.0
"""How long the check may take, in seconds; a server that does not answer by then may still come."""
OLDEST: Final = (6, 2)
"""The oldest version whose commands suffice."""

RIGHTS: Final = "~* &* +@read +@write +@connection +@transaction +@scripting +@pubsub +info +time"
"""What an ACL has to allow, as `ACL SETUSER` takes it."""

_PROBE: Final = Script(
    """
redis.call('TIME')
redis.call('INFO', 'server')
redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000)
redis.call('HSET', KEYS[2], 'a', 1)
redis.call('ZADD', KEYS[3], 1, 'a')
redis.call('XADD', KEYS[4], '*', 'a', 1)
redis.call('PUBLISH', KEYS[1], ARGV[1])
return redis.call('DEL', unpack(KEYS))
"""
)

_log = logging.getLogger("clipmesh.redis")


async def check_redis(redis: Redis) -> None:
    """Return when the server is as it has to be, or when it does not answer: events wait for it then, and nothing else needs it at once.

    Raises InvalidRedisUrl, whose text names what is wrong and how to mend it.
    """
    facts = await _facts(redis)
    if facts is None:
        return
    _check_server(facts)
    try:
        await _check_rights(redis)
    except RedisNotAllowed as error:
        raise _not_allowed(error) from error
    except RedisUnavailable as error:
        _log.warning("Redis does not answer; the process starts without it: %s", error)


async def check_keeps_events(redis: Redis) -> None:
    """Return when the server throws no events away, or when it does not answer. Raises InvalidRedisUrl."""
    facts = await _facts(redis)
    if facts is None:
        return
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        raise InvalidRedisUrl(
            f"CLIPMESH_REDIS names a Redis that throws away any key when memory is short (maxmemory-policy {policy}), and events live in it:"
            " CONFIG SET maxmemory-policy noeviction"
        )
    if facts.get("aof_enabled") == "0":
        _log.warning("Redis keeps no append-only file: after a crash the relays send again what it lost; CONFIG SET appendonly yes")


async def _facts(redis: Redis) -> dict[str, str] | None:
    """What the server says of itself; None when it is away."""
    try:
        return info_of(await redis.call("INFO", timeout_s=CHECK_TIMEOUT_S))
    except RedisNotAllowed as error:
        raise _not_allowed(error) from error
    except RedisUnavailable as error:
        if (why := _never_mends(error)) is not None:
            raise InvalidRedisUrl(why) from error
        _log.warning("Redis does not answer; the process starts without it: %s", error)
        return None


def _not_allowed(error: RedisNotAllowed) -> InvalidRedisUrl:
    return InvalidRedisUrl(f"CLIPMESH_REDIS: {error}; set user and password in the URL, and let the user do: ACL SETUSER name {RIGHTS}")


def _check_server(facts: dict[str, str]) -> None:
    version = facts.get("redis_version", "")
    mode = facts.get("redis_mode", "standalone")
    if mode == "cluster" or facts.get("cluster_enabled") == "1":
        raise InvalidRedisUrl(
            "CLIPMESH_REDIS names a node of a Redis cluster, which is not supported: name a server with cluster-enabled no"
        )
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        raise InvalidRedisUrl(f"CLIPMESH_REDIS names a Redis {version or 'of unknown version'}: 6.2 or later is needed")


async def _check_rights(redis: Redis) -> None:
    keys = [f"clipmesh:check:{kind}" for kind in ("string", "hash", "set", "stream")]
    try:
        await redis.run(_PROBE, keys=keys, arguments=["1"], repeat=True, timeout_s=CHECK_TIMEOUT_S)
    except ResponseError as error:
        raise InvalidRedisUrl(f"CLIPMESH_REDIS names a server that refuses what is needed: {error}") from error


def _never_mends(error: BaseException) -> str | None:
    """What an outage says that waiting does not mend; None for one that may end by itself."""
    for cause in _causes(error):
        if isinstance(cause, NotAMaster):
            return f"CLIPMESH_REDIS: {cause}; name the master, or let Sentinels do: redis+sentinel://host:26379/master-name"
        if isinstance(cause, MasterNotWatched):
            return f"CLIPMESH_REDIS: {cause}; see SENTINEL MASTERS for the names, and sentinel_password= for their own password"
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return f"CLIPMESH_REDIS: the server cannot be spoken to under TLS: {cause}; look at its certificate, and at ca, cert and key in the URL"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
