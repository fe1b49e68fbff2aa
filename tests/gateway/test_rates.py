"""Rate limits as clients meet them: per person and address, shared through Redis, counted alone without it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.rates import Rate, RateLimited, RateLimiter, Taking
from mesh.clock import SystemClock
from mesh.stores.redis import Redis, open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, serve_fakes
from tests.gateway.world import World, edge, token

SIGN_UP = """mutation($input: SignUpInput!) { signUp(input: $input) { user { handle } userErrors { code } } }"""
PERSON = {"requestId": "r", "handle": "new", "email": "new@example.com", "password": "long enough", "birthDate": "1990-01-01"}


async def asked(world: World, count: int, **options: Any) -> list[int]:
    return [(await world.post("{ __typename }", **options)).status_code for _ in range(count)]


async def test_a_person_who_asks_too_much_waits_and_nobody_else(opened: Opening) -> None:
    async with opened(rate_user_burst=63, rate_user_per_s=1) as world:
        assert await asked(world, 3, bearer=token(user_id=1)) == [200, 200, 200]
        answer = await world.post("{ __typename }", bearer=token(user_id=1))
        assert answer.status_code == 429
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 19_000 < error["extensions"]["retryAfterMs"] <= 21_000
        assert int(answer.headers["retry-after"]) in {20, 21}
        assert await asked(world, 3, bearer=token(user_id=2)) == [200, 200, 200]
        assert await asked(world, 3) == [200, 200, 200]


async def test_an_address_is_limited_whoever_asks(opened: Opening) -> None:
    async with opened(rate_address_burst=63, rate_address_per_s=1) as world:
        assert await asked(world, 1, bearer=token(user_id=1)) == [200]
        assert await asked(world, 2) == [200, 200]
        assert await asked(world, 1, bearer=token(user_id=2)) == [429]
        assert await asked(world, 1) == [429]


async def test_the_price_of_an_operation_is_what_counts(opened: Opening, fakes: Fakes) -> None:
    fakes.fill(20)
    async with opened(rate_user_burst=200, rate_user_per_s=1) as world:
        page = "{ forYou(first: 20) { edges { node { id caption } } } }"
        assert (await world.post(page, bearer=token())).status_code == 200
        assert (await world.post(page, bearer=token())).status_code == 429
        assert fakes.counted["feed.GetForYou"] == 1


async def test_refused_documents_and_bad_tokens_count_too(opened: Opening) -> None:
    async with opened(rate_address_burst=450, rate_address_per_s=1) as world:
        assert (await world.post("{ nobody }")).status_code == 400
        assert (await world.post("{ __typename }", bearer="bad")).status_code == 401
        assert (await world.post("{ nobody }")).status_code == 429
        # The next one is not even read.
        assert (await world.post("{ __typename }")).status_code == 429


async def test_gateways_count_together_through_redis(redis_server: RedisServer, tmp_path: Path) -> None:
    fakes = Fakes()
    limits: dict[str, Any] = {"rate_user_burst": 63, "rate_user_per_s": 1}
    async with (
        serve_fakes(fakes) as addresses,
        edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path / "a", **limits) as one,
        edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path / "b", **limits) as two,
    ):
        assert await asked(one, 2, bearer=token()) == [200, 200]
        assert await asked(two, 2, bearer=token()) == [200, 429]


async def test_without_redis_each_gateway_counts_alone(redis_server: RedisServer, opened: Opening) -> None:
    async with opened(rate_user_burst=63, rate_user_per_s=1) as world:
        await redis_server.kill()
        assert await asked(world, 4, bearer=token()) == [200, 200, 200, 429]


async def test_sign_ups_have_a_stricter_bucket_and_aliases_do_not_help(opened: Opening, fakes: Fakes) -> None:
    fakes.fill(1)
    async with opened(rate_sign_in_burst=3, rate_sign_in_per_minute=1) as world:
        assert (await world.post(SIGN_UP, input=PERSON)).status_code == 200
        many = "mutation($i: SignUpInput!) {" + " ".join(f"a{n}: signUp(input: $i) {{ userErrors {{ code }} }}" for n in range(3)) + "}"
        assert (await world.post(many, i=PERSON)).status_code == 429
        assert fakes.counted["social.SignUp"] == 1
        hidden = "mutation($i: SignUpInput!) { ...F } fragment F on Mutation { signUp(input: $i) { userErrors { code } } }"
        assert [(await world.post(hidden, i=PERSON)).status_code for _ in range(3)] == [200, 200, 429]
        assert fakes.counted["social.SignUp"] == 3
        form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "clipmesh-web"}
        refused = await world.http.post("/oauth/token", data=form)
        assert (refused.status_code, refused.json()["error"]) == (429, "temporarily_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert (await world.http.post("/oauth/authorize", data={"response_type": "code"})).status_code == 429
        assert await asked(world, 2) == [200, 200]


async def test_a_batch_counts_as_the_sum_of_its_operations(opened: Opening) -> None:
    async with opened(graphql_cost=100) as world:
        sent = [{"query": "{ forYou { servedBy } }"}] * 2
        answer = await world.http.post("/graphql", json=sent)
        assert answer.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY"
        assert not world.fakes.counted


class TestBucketsInRedis:
    """The script itself, against a real server."""

    RATE = Rate(name="r", burst=100, per_s=1_000)

    @pytest.fixture
    async def redis(self, redis_server: RedisServer) -> Any:
        client = open_redis(redis_server.url)
        yield client
        await client.close()

    async def test_refusals_take_nothing_and_time_gives_back(self, redis: Redis) -> None:
        limiter = RateLimiter(redis=redis, clock=SystemClock())
        slow = Rate(name="slow", burst=10, per_s=1)
        both = [Taking(rate=self.RATE, who="u"), Taking(rate=slow, who="u")]
        await limiter.take(both, 9)
        with pytest.raises(RateLimited) as refused:
            await limiter.take(both, 3)
        assert 1_800 < refused.value.retry_after_ms <= 2_000
        await limiter.take(both, 1)
        await asyncio.sleep(0.05)
        await limiter.take(both[:1], 100)
        assert not limiter.local

    async def test_what_is_taken_ahead_is_taken_from_every_bucket_or_from_none(self, redis: Redis) -> None:
        limiter = RateLimiter(redis=redis, clock=SystemClock())
        both = [
            Taking(rate=Rate(name="x", burst=10_000, per_s=0.1), who="u"),
            Taking(rate=Rate(name="y", burst=20_000, per_s=0.1), who="a"),
        ]
        for _ in range(3):
            await limiter.take(both, 10)
        # One alone, one with one ahead.
        assert [int(float(await redis.call("HGET", taking.key, "left"))) for taking in both] == [9_970, 19_970]
        await limiter.take(both, 10)
        assert [int(float(await redis.call("HGET", taking.key, "left"))) for taking in both] == [9_930, 19_930]
        await redis.call("HSET", both[0].key, "left", 15)
        for _ in range(3):
            await limiter.take(both, 10)
        await limiter.take(both, 10)
        assert int(float(await redis.call("HGET", both[0].key, "left"))) == 5
        with pytest.raises(RateLimited):
            await limiter.take(both, 10)
        assert [int(float(await redis.call("HGET", taking.key, "left"))) for taking in both] == [5, 19_920]

    async def test_buckets_vanish_when_they_would_be_full(self, redis: Redis) -> None:
        await RateLimiter(redis=redis, clock=SystemClock()).take([Taking(rate=self.RATE, who="u")], 5)
        left_ms = int(await redis.call("PTTL", "rate:r:u"))
        assert 900 < left_ms <= 1_100
