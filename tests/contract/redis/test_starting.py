"""What a Redis has to be before a process starts on it: a master that lets it in, keeps what it is given, and is who it should be."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh.events.stream import connect_stream
from mesh.stores.redis import InvalidRedisUrl, RedisNotAllowed, RedisUnavailable, open_redis
from mesh.stores.redis_checks import RIGHTS, check_redis
from mesh.stores.redis_url import RedisUrl, TlsPaths, shown_url
from mesh.testing.proxy import FaultProxy, fault_proxy
from mesh.testing.redis_server import RedisServer
from tests.contract.rpc.certificates import HOUR, Authority, Certificate
from tests.fixtures.redis_tcp import MASTER, TcpRedis, redis_on_tcp

SECRET = "p@ss:wörd/1"
QUOTED = "p%40ss%3Aw%C3%B6rd%2F1"


async def check(url: str, *, events: str = "") -> None:
    """What a process does before it starts."""
    redis = open_redis(url)
    try:
        await check_redis(redis)
        if not events:
            await (await connect_stream("", redis=redis)).close()
    finally:
        await redis.close()


async def refusal(url: str, **how: Any) -> str:
    with pytest.raises(InvalidRedisUrl) as refused:
        await check(url, **how)
    said = str(refused.value)
    assert SECRET not in said
    assert QUOTED not in said
    assert "\n" not in said
    return said


def test_every_form_of_a_url_is_understood() -> None:
    parse = RedisUrl.parse
    plain = parse(f"redis://alice:{QUOTED}@host:7000/3")
    assert (plain.hosts, plain.database, plain.username, plain.password, plain.tls) == ((("host", 7000),), 3, "alice", SECRET, None)
    assert parse("redis://:word@[::1]").hosts == (("::1", 6379),)
    assert (parse("redis://:word@[::1]").username, parse("redis://:word@[::1]").password) == (None, "word")
    secure = parse("rediss://host?ca=/a.pem&cert=/b.pem&key=/c.pem&db=2")
    assert (secure.tls, secure.database) == (TlsPaths(ca="/a.pem", certificate="/b.pem", key="/c.pem"), 2)
    watched = parse(f"redis+sentinel://h1:1,h2/clips/4?password={QUOTED}&sentinel_password=x")
    assert (watched.hosts, watched.master, watched.database) == ((("h1", 1), ("h2", 26379)), "clips", 4)
    assert (watched.password, watched.sentinel_password) == (SECRET, "x")
    assert parse("rediss+sentinel://h1/clips").tls == TlsPaths()
    assert parse("unix:run/redis.sock?db=3").socket == "run/redis.sock"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("rediss://host?cert=/b.pem", "go together"),
        ("redis://host?ca=/a.pem", "takes no ca"),
        ("redis+sentinel:///clips", "name the Sentinels"),
        ("redis+sentinel://h1:1", "name the Sentinels"),
        ("redis+sentinel://h1/clips?sentinel=1", "takes no sentinel"),
        ("redis+cluster://h1:1,h2:2", "redis\\+cluster://... is not supported"),
        ("rediss+cluster://h1", "not supported"),
        ("redis://host:port", "port"),
        (f"redis://u:{QUOTED}@h1,h2", r"\*\*\*@h1,h2"),
        (f"redis+sentinel://h1/clips?password={QUOTED}&x=1", r"password=\*\*\*"),
    ],
)
def test_urls_that_cannot_be_meant_are_refused_by_name_and_without_their_secrets(url: str, named: str) -> None:
    with pytest.raises(InvalidRedisUrl, match=named) as refused:
        RedisUrl.parse(url)
    assert QUOTED not in str(refused.value)
    assert SECRET not in repr(shown_url(url))


async def test_a_good_server_is_let_through(redis_server: RedisServer) -> None:
    await check(redis_server.url)


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await check(f"unix://{tmp_path}/nobody.sock")
    told = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert all("starts without it" in message for message in told)
    assert told


async def test_a_wrong_password_is_refused_at_start_and_typed_later(tmp_path: Path) -> None:
    async with redis_on_tcp(tmp_path, f'requirepass "{SECRET}"') as server:
        address = f"127.0.0.1:{server.port}"
        await check(f"redis://:{QUOTED}@{address}")
        for url in (f"redis://:wrong@{address}", f"redis://{address}", f"redis://nobody:{QUOTED}@{address}"):
            assert "user and password" in await refusal(url)
        redis = open_redis(f"redis://:wrong@{address}")
        with pytest.raises(RedisNotAllowed):
            await redis.call("GET", "k")
        assert issubclass(RedisNotAllowed, RedisUnavailable)
        await redis.close()


async def test_a_user_without_the_rights_is_refused_and_told_which_it_needs(tmp_path: Path) -> None:
    most = "user most on >word ~* &* +@all -@dangerous +info"
    few = "user few on >word ~cache:* &* +@all"
    async with redis_on_tcp(tmp_path, most, few, "user blind on >word ~* &* +@all -info", f"user exact on >word {RIGHTS}") as server:
        for user in ("most", "exact"):
            await check(f"redis://{user}:word@127.0.0.1:{server.port}")
        for user in ("few", "blind"):
            assert "+@scripting" in await refusal(f"redis://{user}:word@127.0.0.1:{server.port}")
        assert await server.ask("DBSIZE") == ":0\r\n"


async def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    async with redis_on_tcp(tmp_path, "cluster-enabled yes") as server:
        assert "cluster-enabled no" in await refusal(server.url)


async def test_a_replica_is_refused_at_start_and_no_longer_read_later(tmp_path: Path) -> None:
    async with redis_on_tcp(tmp_path / "one") as master, redis_on_tcp(tmp_path / "two") as other:
        redis = open_redis(other.url)
        await redis.call("SET", "k", 1)
        await other.ask("REPLICAOF", "127.0.0.1", str(master.port))
        assert "name the master" in await refusal(other.url)
        await other.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(RedisUnavailable, match="is no master but a slave"):
            await redis.call("GET", "k")
        await redis.close()


async def test_a_sentinel_is_no_server(tmp_path: Path) -> None:
    sentinel = TcpRedis(tmp_path, f"sentinel monitor {MASTER} 127.0.0.1 1 1", sentinel=True)
    await sentinel.start()
    try:
        assert "redis+sentinel://" in await refusal(sentinel.url)
        assert "SENTINEL MASTERS" in await refusal(f"redis+sentinel://127.0.0.1:{sentinel.port}/others")
    finally:
        await sentinel.kill()


@pytest.mark.parametrize(("policy", "good"), [("noeviction", True), ("volatile-lru", True), ("allkeys-lru", False)])
async def test_a_server_that_throws_events_away_is_refused_where_they_live(policy: str, good: bool, tmp_path: Path) -> None:
    async with redis_on_tcp(tmp_path, f"maxmemory-policy {policy}", "maxmemory 100mb") as server:
        await check(server.url, events="kafka://elsewhere")
        if good:
            await check(server.url)
        else:
            assert "CONFIG SET maxmemory-policy noeviction" in await refusal(server.url)


async def test_a_server_without_an_append_only_file_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with redis_on_tcp(tmp_path) as server:
        await check(server.url)
        assert not caplog.records
        await server.ask("CONFIG", "SET", "appendonly", "no")
        await check(server.url)
    assert ["appendonly yes" in entry.getMessage() for entry in caplog.records] == [True]


def server_context(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    files = certificate.write(folder, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.cert, files.key)
    return context


@asynccontextmanager
async def under_tls(folder: Path, certificate: Certificate, server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(str(server.socket), tls=server_context(certificate, folder)) as proxy:
        yield proxy


async def test_tls_takes_certificates_of_both_sides_and_follows_them(tmp_path: Path, redis_server: RedisServer) -> None:
    ours = Authority()
    mine = ours.certificate("gateway").write(tmp_path, "mine")
    async with under_tls(tmp_path, ours.certificate("redis", addresses=("127.0.0.1",)), redis_server) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}?ca={mine.ca}&cert={mine.cert}&key={mine.key}"
        await check(url)
        redis = open_redis(url)
        await redis.call("SET", "k", "secret")
        assert await redis.call("GET", "k") == b"secret"
        ours.certificate("gateway", ends=-timedelta(seconds=1)).write(tmp_path, "mine")
        proxy.reset()
        with pytest.raises(RedisUnavailable):
            await redis.call("GET", "k")
        ours.certificate("gateway").write(tmp_path, "mine")
        assert await redis.call("GET", "k") == b"secret"
        await redis.close()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("the server's certificate is over", "expired"),
        ("the server is another", "mismatch|not valid for"),
        ("nobody vouches for the server", "unable to get local issuer|self.signed|signature"),
        ("a file is missing", "cannot be read"),
        ("a file holds something else", "cannot be used"),
    ],
)
async def test_tls_that_cannot_work_is_refused_at_start(what: str, said: str, tmp_path: Path, redis_server: RedisServer) -> None:
    ours = Authority()
    mine = ours.certificate("gateway").write(tmp_path, "mine")
    here = ("127.0.0.1",)
    theirs = {
        "the server's certificate is over": ours.certificate("redis", addresses=here, starts=-2 * HOUR, ends=-HOUR),
        "the server is another": ours.certificate("redis"),
        "nobody vouches for the server": Authority("another").certificate("redis", addresses=here),
    }.get(what, ours.certificate("redis", addresses=here, uses=(ExtendedKeyUsageOID.SERVER_AUTH,)))
    query = f"?ca={mine.ca}&cert={mine.cert}&key={mine.key}"
    if "missing" in what:
        mine.ca.unlink()
    if "something else" in what:
        mine.cert.write_text("nothing")
    async with under_tls(tmp_path, theirs, redis_server) as proxy:
        with pytest.raises(InvalidRedisUrl, match=said):
            await check(f"rediss://127.0.0.1:{proxy.port}{query}")
