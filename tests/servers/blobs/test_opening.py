"""What is refused at start, in one line that says how to mend it, and what the first start makes in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from minio import MinioAdmin
from minio.commonconfig import ENABLED, Filter
from minio.credentials import StaticProvider
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from devstack.ports import free_port
from mesh.clock import SystemClock
from mesh.settings import InvalidSetting
from mesh.stores.blobs import open_blobs, upload_door
from mesh.stores.blobs.port import Blobs, BlobsAway, BlobsUnavailable, Upkeep
from mesh.stores.blobs.s3.address import read_address
from mesh.stores.blobs.s3.bucket import Bucket
from mesh.stores.blobs.s3.lines import Lines
from mesh.stores.blobs.s3.pool import Pool

T = TypeVar("T")

UPKEEP = Upkeep(unfinished_days=3, left_over_days={"tails/": 3, "work/": 30})


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Blobs]:
    store = open_blobs(url, clock=SystemClock(), url_key=b"")
    try:
        yield store
    finally:
        await store.close()


async def refusal(url: str, *, away: bool = False) -> str:
    async with opened(url) as store:
        with pytest.raises(InvalidSetting) as refused:
            await store.prepare(UPKEEP)
    assert isinstance(refused.value, BlobsAway) is away
    text = str(refused.value)
    assert "\n" not in text
    assert (urlsplit(url).password or "no secret") not in text
    return text


def changed(url: str, **parts: str) -> str:
    return urlunsplit(urlsplit(url)._replace(**parts))


async def test_the_bucket_is_made_where_there_is_none_and_found_again(own_s3_url: str) -> None:
    for _ in range(2):
        async with opened(own_s3_url) as store:
            await store.prepare()
            await store.put("a", b"x")
            assert [info.key for info in (await store.list("")).blobs] == ["a"]


async def test_many_processes_start_at_once(own_s3_url: str) -> None:
    async def start() -> None:
        async with opened(own_s3_url) as store:
            await store.prepare(UPKEEP)

    await asyncio.gather(*(start() for _ in range(6)))


async def test_nobody_at_the_address_is_refused(unused_port: int) -> None:
    text = await refusal(f"s3://key:geheim00@127.0.0.1:{unused_port}/clips", away=True)
    assert f"nothing usable answers at http://127.0.0.1:{unused_port}" in text
    assert "start the store, or correct host, port, tls and ca" in text


NOT_YET = "<Error><Code>XMinioServerNotInitialized</Code><Message>not yet</Message></Error>"
FORBIDDEN = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


@pytest.mark.parametrize(
    ("status", "kind", "body", "away"),
    [
        ("503 Service Unavailable", "application/xml", NOT_YET, True),
        ("502 Bad Gateway", "text/html", "a proxy", True),
        ("501 Not Implemented", "text/html", "another server", False),
        ("403 Forbidden", "application/xml", FORBIDDEN, False),
    ],
)
async def test_a_store_that_ails_is_away_and_one_that_refuses_is_not(status: str, kind: str, body: str, away: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "CLIPMESH_BLOBS=s3://127.0.0.1" in await refusal(f"s3://key:geheim00@127.0.0.1:{port}/clips", away=away)
    server.close()
    await server.wait_closed()


async def test_wrong_keys_are_refused(own_s3_url: str) -> None:
    host = urlsplit(own_s3_url).netloc.rpartition("@")[2]
    for netloc in (f"nobody:geheim00@{host}", f"{urlsplit(own_s3_url).username}:geheim00@{host}"):
        assert "the store does not take these keys" in await refusal(changed(own_s3_url, netloc=netloc))


async def test_keys_without_rights_are_refused_and_the_rights_are_named(own_s3_url: str) -> None:
    async with opened(own_s3_url) as store:
        await store.prepare()
    reader = await asyncio.to_thread(as_reader, own_s3_url)
    assert "they need s3:ListBucket" in await refusal(reader)
    assert "may not make it" in await refusal(changed(reader, path="/not-there-yet"))


async def test_tls_where_none_is_spoken_is_refused(own_s3_url: str) -> None:
    assert "nothing usable answers at https://" in await refusal(f"{own_s3_url}?tls=1")


async def test_a_file_of_authorities_that_is_none_is_refused(own_s3_url: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(InvalidSetting, match="cannot be used"):
            open_blobs(f"{own_s3_url}?tls=1&ca={tmp_path}/{name}", clock=SystemClock(), url_key=b"")


async def test_another_kind_of_server_is_refused() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "CLIPMESH_BLOBS=s3://127.0.0.1" in await refusal(f"s3://key:geheim00@127.0.0.1:{port}/clips")
    server.close()
    await server.wait_closed()


async def test_the_store_clears_away_what_its_owner_says_and_keeps_the_rules_of_others(own_s3_url: str) -> None:
    async with opened(own_s3_url) as store:
        await store.prepare()
    await asked(own_s3_url, add_foreign_rule)
    for upkeep in (Upkeep(unfinished_days=9, left_over_days={"old/": 9}), UPKEEP, UPKEEP):
        async with opened(own_s3_url) as store:
            await store.prepare(upkeep)
    rules = await asked(own_s3_url, rules_of)
    assert {name: days for name, days in rules.items() if days} == {"theirs": 77, "clipmesh-tails": 3, "clipmesh-work": 30}


async def test_a_page_of_any_origin_may_send_to_a_link(own_s3_url: str) -> None:
    async with opened(own_s3_url) as store, httpx.AsyncClient() as browser:
        await store.prepare(UPKEEP)
        link = await store.presign_put("raw/1", size_bytes=1, expires_in_ms=60_000)
        asks = {"origin": "https://pages.example", "access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
        allowed = await browser.options(link, headers=asks)
        assert allowed.status_code in {200, 204}
        assert allowed.headers["access-control-allow-origin"] in {"*", "https://pages.example"}
        sent = await browser.put(
            link, content=b"x", headers={"origin": "https://pages.example", "content-type": "application/octet-stream"}
        )
        assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, allowed.headers["access-control-allow-origin"])
        assert upload_door(store) is None


async def test_links_carry_the_name_under_which_clients_reach_the_store(own_s3_url: str) -> None:
    port = urlsplit(own_s3_url).port
    async with opened(f"{own_s3_url}?public=http://localhost:{port}") as store, httpx.AsyncClient() as client:
        await store.prepare()
        link = await store.presign_put("raw/1", size_bytes=1, expires_in_ms=60_000)
        assert store.links_origin == f"http://localhost:{port}"
        assert link.startswith(f"http://localhost:{port}/")
        assert (await client.put(link, content=b"x")).status_code == 200
        assert (await client.put(link.replace("localhost", "127.0.0.1"), content=b"x")).status_code == 403
        await store.send(link, b"y")
        assert await (await store.get("raw/1")).read() == b"y"


async def test_a_store_that_goes_away_is_unavailable_and_says_no_secret(unused_port: int) -> None:
    async with opened(f"s3://key:geheim00@127.0.0.1:{unused_port}/clips") as store:
        for _ in range(2):
            with pytest.raises(BlobsUnavailable) as away:
                await store.head("a")
            assert "geheim00" not in str(away.value)


@pytest.fixture
def unused_port() -> int:
    return free_port()


async def asked(url: str, ask: Callable[[Bucket], T]) -> T:
    lines = Lines()
    try:
        return await lines.run(lambda _: ask(Bucket(read_address(url), pool=Pool(ca=""))))
    finally:
        await lines.close()


def as_reader(url: str) -> str:
    """The same bucket with keys that may only read."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    admin = MinioAdmin(endpoint=host, credentials=StaticProvider(parts.username, parts.password), secure=False)
    admin.user_add(access_key="onlyreads", secret_key="geheim00")
    may = [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::*"]}]
    admin.policy_add(policy_name="lists-and-reads", policy={"Version": "2012-10-17", "Statement": may})
    admin.policy_set(policy_name="lists-and-reads", user="onlyreads")
    return changed(url, netloc=f"onlyreads:geheim00@{host}")


def add_foreign_rule(bucket: Bucket) -> None:
    """What an operator may have set."""
    bucket.set_lifecycle(
        LifecycleConfig([Rule(ENABLED, rule_filter=Filter(prefix="their/"), rule_id="theirs", expiration=Expiration(days=77))])
    )


def rules_of(bucket: Bucket) -> dict[str | None, int | None]:
    """Names of the rules and after how many days they delete."""
    rules = bucket.lifecycle()
    return {rule.rule_id: rule.expiration.days if rule.expiration else None for rule in rules.rules} if rules else {}
