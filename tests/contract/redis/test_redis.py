"""The door to Redis keeps time, names what it refuses, and never repeats a write unasked."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as DriverTimeout

from mesh import deadline
from mesh.errors import Unavailable
from mesh.stores.redis import InvalidRedisUrl, Redis, RedisUnavailable, Script, open_redis
from mesh.stores.redis_server import VARIABLE, NoRedisServer, bundled_redis_binary, redis_binary
from mesh.testing.redis_server import RedisServer, start_redis


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("", "no Redis URL"),
        ("localhost:6379", "no Redis URL"),
        ("http://localhost", "no Redis URL"),
        ("redis://", "one host"),
        ("redis://one,two/0", "one host"),
        ("redis+sentinel://one:26379", "what they call the master"),
        ("redis+cluster://one:6379", "not supported"),
        ("unix:", "names no socket"),
        ("redis://localhost/first", "database number"),
        ("unix:run/redis.sock?timeout=3", "takes no timeout"),
    ],
)
def test_urls_that_name_no_single_redis_are_refused_by_name(url: str, named: str) -> None:
    with pytest.raises(InvalidRedisUrl, match=named):
        open_redis(url)


async def test_answers_come_as_redis_sends_them(redis: Redis) -> None:
    assert await redis.call("SET", "name", "ärger", "PX", 60_000) == b"OK"
    assert await redis.call("GET", "name") == "ärger".encode()
    assert await redis.call("GET", "nothing") is None
    await redis.call("HSET", "hash", "a", 1, "b", b"\x00\xff")
    assert await redis.call("HGETALL", "hash") == [b"a", b"1", b"b", b"\x00\xff"]
    assert await redis.many([("INCR", "n"), ("INCR", "n"), ("GET", "n")], atomic=True) == [1, 2, b"2"]
    assert await redis.many([]) == []
    script = Script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    assert await redis.run(script, keys=["m"], arguments=[5]) == [b"m", b"5", 1]
    with pytest.raises(ResponseError):
        await redis.call("INCR", "name")


async def test_databases_are_separate(redis_server: RedisServer) -> None:
    first, second = open_redis(redis_server.url), open_redis(f"{redis_server.url}?db=3")
    await first.call("SET", "k", 1)
    assert (await first.call("GET", "k"), await second.call("GET", "k")) == (b"1", None)
    await first.close()
    await second.close()


async def test_a_server_that_does_not_answer_costs_the_deadline_and_no_more(redis: Redis, redis_server: RedisServer) -> None:
    await redis.ping()
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        begun_at = asyncio.get_running_loop().time()
        with deadline.scope(0.1), pytest.raises(RedisUnavailable):
            await redis.call("GET", "k")
        assert 0.05 < asyncio.get_running_loop().time() - begun_at < 3
        with deadline.scope(0), pytest.raises(RedisUnavailable):
            await redis.call("GET", "k")
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    assert await redis.call("GET", "k") is None


async def test_a_server_that_is_gone_is_told_at_once_and_met_again(redis: Redis, redis_server: RedisServer) -> None:
    await redis.call("SET", "k", "kept")
    await redis_server.kill()
    begun_at = asyncio.get_running_loop().time()
    with pytest.raises(RedisUnavailable) as refusal:
        await redis.call("GET", "k")
    assert asyncio.get_running_loop().time() - begun_at < 3
    assert isinstance(refusal.value, Unavailable)
    await redis_server.start()
    assert await redis.call("GET", "k") == b"kept"


async def test_reads_are_repeated_and_writes_only_when_asked(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    execute: Any = redis._client.execute_command
    sent: list[str] = []
    broken = 0

    async def breaking(*command: Any) -> Any:
        nonlocal broken
        sent.append(command[0])
        if broken:
            broken -= 1
            raise ConnectionLost("the connection broke")
        return await execute(*command)

    monkeypatch.setattr(redis._client, "execute_command", breaking)
    broken = 2
    assert await redis.call("GET", "k") is None
    broken = 2
    assert await redis.call("SET", "k", 1, repeat=True) == b"OK"
    broken = 1
    with pytest.raises(RedisUnavailable):
        await redis.call("INCR", "k")
    broken = 3
    with pytest.raises(RedisUnavailable):
        await redis.call("GET", "k")
    assert sent == ["GET"] * 3 + ["SET"] * 3 + ["INCR"] + ["GET"] * 3
    assert await redis.call("GET", "k") == b"1"


async def test_a_subscription_gives_what_comes_after_it_was_opened(redis: Redis, redis_server: RedisServer) -> None:
    async with redis.subscribe("news", "other") as subscription:
        await redis.call("PUBLISH", "news", b"1")
        await redis.call("PUBLISH", "elsewhere", b"2")
        await redis.call("PUBLISH", "other", b"3")
        messages = subscription.messages()
        assert [await anext(messages), await anext(messages)] == [("news", b"1"), ("other", b"3")]
        await redis_server.kill()
        with pytest.raises(RedisUnavailable):
            await anext(messages)


async def test_many_calls_at_once_share_a_bounded_number_of_connections(redis: Redis) -> None:
    await asyncio.gather(*(redis.call("INCR", "n", timeout_s=20) for _ in range(100)))
    assert await redis.call("GET", "n") == b"100"
    clients = (await redis.call("CLIENT", "LIST")).count(b"\n")
    assert clients <= 32


async def test_a_connection_that_does_not_close_in_time_holds_no_end_up(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.gather(*(redis.call("INCR", "n", timeout_s=20) for _ in range(3)))
    real, closed = AbstractConnection.disconnect, []

    async def late(connection: AbstractConnection, *arguments: Any, **options: Any) -> None:
        closed.append(connection)
        await real(connection, *arguments, **options)
        raise DriverTimeout("Timed out closing connection")

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "disconnect", late)
        await redis.close()
    assert len(set(closed)) >= 3


async def test_the_contracts_run_on_the_oldest_version_that_is_promised(redis: Redis) -> None:
    facts = (await redis.call("INFO", "server")).decode()
    assert "redis_version:6.2." in facts


def test_the_server_is_the_named_one_or_that_of_the_path_or_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def program(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        file = folder / "redis-server"
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
        return file

    on_path, named = program("path"), program("named")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert redis_binary() == on_path
    monkeypatch.setenv(VARIABLE, str(named))
    assert redis_binary() == named
    monkeypatch.setenv(VARIABLE, "bundled")
    assert redis_binary() == bundled_redis_binary()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_binary() == bundled_redis_binary()
    for wrong in (tmp_path / "nothing", tmp_path):
        monkeypatch.setenv(VARIABLE, str(wrong))
        with pytest.raises(NoRedisServer, match=f"{VARIABLE}='.*' is no program"):
            redis_binary()


async def test_a_server_without_a_way_to_start_says_why(redis_server: RedisServer) -> None:
    with pytest.raises(NoRedisServer, match="107 bytes"):
        await start_redis(redis_server.folder / ("deep" * 30))


async def test_what_a_killed_server_wrote_to_its_file_is_there_again(redis: Redis, redis_server: RedisServer) -> None:
    for n in range(300):
        await redis.call("SET", f"k{n}", n)
    # While the disk is busy the server keeps up to two seconds of what it acknowledged in memory.
    async with asyncio.timeout(10):
        while b"aof_buffer_length:0\r\n" not in await redis.call("INFO", "persistence"):
            await asyncio.sleep(0.05)
    await redis_server.kill()
    await redis_server.start()
    assert await redis.many([("GET", f"k{n}") for n in range(300)]) == [str(n).encode() for n in range(300)]
