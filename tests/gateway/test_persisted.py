"""Documents that are asked by their hash: found, brought, kept within bounds, and never anybody's error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.execution import persisted
from gateway.execution.persisted import HELD, TEXTS, USED
from mesh.stores.redis import Redis, open_redis
from mesh.testing.redis_server import RedisServer, start_redis
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.world import WAIT_S, World, gateway, token

ME = "query Me { me { email } }"
ROLES = "query Roles { me { roles } }"
PROGRESS = "subscription P($id: ID!) { uploadProgress(uploadId: $id) { stage } }"
UNKNOWN = {"message": "PersistedQueryNotFound", "code": "PERSISTED_QUERY_NOT_FOUND"}
GRAPHQL = "application/graphql-response+json"


def named(text: str) -> dict[str, Any]:
    """Extensions that name a document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}


@pytest.fixture
async def redis(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    # A crowded machine is not Redis away.
    monkeypatch.setattr(persisted, "REDIS_S", 5.0)
    redis = open_redis(redis_server.url)
    await redis.call("DEL", TEXTS, USED, HELD, "rate:documents:a:127.0.0.1")
    yield redis
    await redis.close()


async def asked(
    world: World, text: str, *, brings: bool = False, method: str = "POST", bearer: str = "", **variables: Any
) -> httpx.Response:
    """The answer to a document that is named, and sent only when it `brings` it."""
    headers = {"accept": GRAPHQL, **({"authorization": f"Bearer {bearer}"} if bearer else {})}
    sent: dict[str, Any] = {**({"query": text} if brings else {}), "extensions": named(text), "variables": variables}
    if method == "GET":
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in sent.items()}
        return await world.http.get("/graphql", params=params, headers=headers)
    return await world.http.post("/graphql", json=sent, headers=headers)


def refusal(answer: httpx.Response) -> dict[str, Any]:
    (error,) = answer.json()["errors"]
    return {"message": error["message"], "code": error["extensions"]["code"]}


async def kept(redis: Redis) -> set[str]:
    """Texts in Redis; what is written beside them has to agree."""
    texts: list[bytes] = await redis.call("HVALS", TEXTS)
    assert await redis.call("ZCARD", USED) == len(texts)
    assert int(await redis.call("GET", HELD) or 0) == sum(map(len, texts))
    return {text.decode() for text in texts}


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_document_is_brought_once_and_then_named(opened: Opening, redis: Redis, method: str) -> None:
    async with opened() as world:
        missing = await asked(world, ME, method=method)
        assert (missing.status_code, refusal(missing)) == (400, UNKNOWN)
        assert not world.fakes.counted
        for brings in (True, False):
            answer = await asked(world, ME, brings=brings, method=method, bearer=token())
            assert answer.json() == {"data": {"me": {"email": "a@example.com"}}}
        assert await kept(redis) == {ME}
    # Another gateway never heard of it.
    async with opened() as other:
        assert (await asked(other, ME, method=method, bearer=token())).status_code == 200


async def test_clients_of_plain_json_hear_it_with_status_200(world: World, redis: Redis) -> None:
    answer = await world.http.post("/graphql", json={"extensions": named(ME)}, headers={"accept": "application/json"})
    assert (answer.status_code, refusal(answer)) == (200, UNKNOWN)


async def test_a_text_under_another_hash_is_refused_and_not_kept(world: World, redis: Redis) -> None:
    answer = await world.http.post("/graphql", json={"query": ROLES, "extensions": named(ME)}, headers={"accept": GRAPHQL})
    assert (answer.status_code, refusal(answer)["code"]) == (400, "PERSISTED_QUERY_HASH_MISMATCH")
    assert await kept(redis) == set()
    assert refusal(await asked(world, ME)) == UNKNOWN


NAMELESS: tuple[Any, ...] = (
    "a hash",
    {},
    {"version": 2, "sha256Hash": "a" * 64},
    {"version": 1},
    {"version": 1, "sha256Hash": "a" * 63},
    {"version": 1, "sha256Hash": "g" * 64},
    {"version": 1, "sha256Hash": 5},
)


async def test_what_names_no_document_is_a_bad_request(world: World) -> None:
    for given in NAMELESS:
        answer = await world.http.post("/graphql", json={"extensions": {"persistedQuery": given}}, headers={"accept": GRAPHQL})
        assert (answer.status_code, refusal(answer)["code"]) == (400, "BAD_USER_INPUT"), given


async def test_what_is_refused_is_not_kept(world: World, redis: Redis) -> None:
    costly = "{ forYou(first: 50) { edges { node { creator { videos { edges { cursor } } } } } } }"
    for text in ("{ nobody }", "{ me {", costly):
        assert (await asked(world, text, brings=True)).status_code == 400
        assert await kept(redis) == set()
        assert refusal(await asked(world, text)) == UNKNOWN


async def test_get_runs_no_mutation_that_it_only_names(world: World, redis: Redis) -> None:
    text = 'mutation M { updateProfile(input: {bio: "new"}) { user { bio } } }'
    assert (await asked(world, text, brings=True, bearer=token())).json()["data"]["updateProfile"]["user"] == {"bio": "new"}
    world.fakes.calls.clear()
    assert (await asked(world, text, method="GET", bearer=token())).status_code == 405
    assert not world.fakes.counted
    assert (await asked(world, text, bearer=token())).status_code == 200


async def test_sockets_and_event_streams_name_documents_too(world: World, redis: Redis) -> None:
    upload = snowflake("video", 1)
    world.fakes.upload(upload)
    async with world.socket() as socket:
        payload = {"extensions": named(PROGRESS), "variables": {"id": str(upload)}}
        await socket.send(id="a", type="subscribe", payload=payload)
        refused = await socket.next()
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "PERSISTED_QUERY_NOT_FOUND")
        await socket.send(id="a", type="subscribe", payload={**payload, "query": PROGRESS})
        assert (await socket.next())["payload"] == {"data": {"uploadProgress": {"stage": "QUEUED"}}}
        await socket.send(id="b", type="subscribe", payload=payload)
        assert (await socket.next())["payload"] == {"data": {"uploadProgress": {"stage": "QUEUED"}}}
    headers, sent = {"accept": "text/event-stream"}, {"extensions": named(PROGRESS), "variables": {"id": str(upload)}}
    async with world.http.stream("POST", "/graphql", json=sent, headers=headers, timeout=WAIT_S) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                assert json.loads(line[6:]) == {"data": {"uploadProgress": {"stage": "QUEUED"}}}
                break


async def test_a_batch_may_name_documents(world: World, redis: Redis) -> None:
    sent = [{"query": ME, "extensions": named(ME)}, {"extensions": named(ROLES)}, {"extensions": named(ME)}]
    for expected in (UNKNOWN["code"], None):
        answers = (await world.http.post("/graphql", json=sent, headers={"authorization": f"Bearer {token()}"})).json()
        assert answers[1]["errors"][0]["extensions"]["code"] == UNKNOWN["code"]
        assert ("data" in answers[2]) is (expected is None)


async def test_redis_holds_no_more_than_it_may_and_the_least_used_leaves_first(opened: Opening, redis: Redis) -> None:
    texts = [f"query Q{number} {{ me {{ email }} }}" for number in range(5)]
    async with opened(graphql_persisted_characters=4 * len(texts[0]), graphql_persisted_local=1) as world:
        for text in texts[:4]:
            await asked(world, text, brings=True, bearer=token())
        assert await kept(redis) == set(texts[:4])
        assert (await asked(world, texts[0], bearer=token())).status_code == 200
        await asked(world, texts[4], brings=True, bearer=token())
        assert await kept(redis) == {texts[0], texts[2], texts[3], texts[4]}
        assert refusal(await asked(world, texts[1])) == UNKNOWN


async def test_what_nobody_asks_is_forgotten(opened: Opening, redis: Redis) -> None:
    async with opened(graphql_persisted_ms=60_000, graphql_persisted_local=1) as world:
        await asked(world, ME, brings=True, bearer=token())
        assert 0 < await redis.call("PTTL", TEXTS) <= 60_000
        sha256 = named(ME)["persistedQuery"]["sha256Hash"]
        used_at_ms = int(await redis.call("ZSCORE", USED, sha256))
        await redis.call("ZADD", USED, used_at_ms - 60_001, sha256)
        assert refusal(await asked(world, ME)) == UNKNOWN
        await asked(world, ROLES, brings=True, bearer=token())
        assert await kept(redis) == {ROLES}


async def test_a_stranger_may_bring_only_so_much_and_is_served_all_the_same(opened: Opening, redis: Redis) -> None:
    async with opened(rate_documents_burst=2 * len(ME), rate_documents_per_s=1) as world:
        for text in (ME, ROLES):
            assert (await asked(world, text, brings=True, bearer=token())).status_code == 200
        assert await kept(redis) == {ME}
        assert refusal(await asked(world, ROLES)) == UNKNOWN


async def test_what_stands_in_redis_is_believed_by_its_hash_alone(world: World, redis: Redis) -> None:
    await asked(world, ROLES, brings=True, bearer=token())
    sha256 = named(ME)["persistedQuery"]["sha256Hash"]
    await redis.call("HSET", TEXTS, sha256, "query Me { me { roles } }")
    await redis.call("ZADD", USED, 2**52, sha256)
    assert refusal(await asked(world, ME)) == UNKNOWN


async def test_without_room_clients_are_told_to_stop_asking(opened: Opening, redis: Redis) -> None:
    async with opened(graphql_persisted_characters=0) as world:
        assert refusal(await asked(world, ME))["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"
        assert (await asked(world, ME, brings=True, bearer=token())).status_code == 200
        assert await kept(redis) == set()


async def test_while_redis_is_away_documents_are_known_here_or_asked_for(fakes: Fakes, tmp_path: Any) -> None:
    own = await start_redis(tmp_path)
    try:
        async with gateway(redis=own.url, blobs=tmp_path / "blobs", fakes=fakes) as world:
            await asked(world, ME, brings=True, bearer=token())
            await own.kill()
            assert (await asked(world, ME, bearer=token())).status_code == 200
            assert refusal(await asked(world, ROLES)) == UNKNOWN
            for brings in (True, False):
                assert (await asked(world, ROLES, brings=brings, bearer=token())).status_code == 200
    finally:
        await own.stop()
