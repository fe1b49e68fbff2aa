"""Token buckets: exact amounts, nothing taken on refusal, one person's flood is not another's."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.rates import LocalBuckets, Rate, RateLimited, RateLimiter, Taking, address_key
from mesh.stores.redis import RedisUnavailable
from mesh.testing.clock import FakeClock

USER = Rate(name="user", burst=100, per_s=10)
ADDRESS = Rate(name="address", burst=150, per_s=100)


def takings(user: str, address: str = "a") -> list[Taking]:
    return [Taking(rate=USER, who=user), Taking(rate=ADDRESS, who=address)]


class AwayRedis:
    """A Redis that answers nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def run(self, *_: Any, **__: Any) -> int:
        self.asked += 1
        raise RedisUnavailable("away")


class AskedRedis:
    """A Redis that gives whatever it is asked, and writes it down."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    async def run(self, _: Any, *, keys: Any, arguments: list[float], timeout_s: float) -> list[int]:
        self.asked.append((arguments[0], arguments[1]))
        return [0, int(arguments[1])]


def test_a_bucket_gives_its_burst_and_then_what_time_brings() -> None:
    clock = FakeClock()
    buckets = LocalBuckets(clock=clock)
    assert buckets.take(takings("u"), 100) == 0
    assert buckets.take(takings("u"), 1) == 100
    clock.advance(60)
    assert buckets.take(takings("u"), 1) == 40
    clock.advance(40)
    assert buckets.take(takings("u"), 1) == 0
    clock.advance(3_600_000)
    assert buckets.take(takings("u"), 100) == 0


def test_a_refusal_takes_nothing_from_any_bucket() -> None:
    buckets = LocalBuckets(clock=FakeClock())
    assert buckets.take(takings("u"), 90) == 0
    assert buckets.take(takings("u"), 20) == 1_000
    assert buckets.take(takings("u"), 10) == 0
    assert buckets.take(takings("other"), 50) == 0


def test_an_address_is_shared_by_its_people() -> None:
    buckets = LocalBuckets(clock=FakeClock())
    assert buckets.take(takings("one"), 100) == 0
    assert buckets.take(takings("two"), 60) == 100
    assert buckets.take(takings("two", "elsewhere"), 60) == 0


def test_what_is_larger_than_the_bucket_takes_all_of_it() -> None:
    buckets = LocalBuckets(clock=FakeClock())
    assert buckets.take(takings("u"), 10_000) == 0
    assert buckets.take(takings("u"), 1) == 100


def test_the_least_recently_used_bucket_is_forgotten() -> None:
    buckets = LocalBuckets(clock=FakeClock(), most=2)
    for who in ("one", "two", "one", "three"):
        buckets.take([Taking(rate=USER, who=who)], 60 if who != "one" else 50)
    assert buckets.take([Taking(rate=USER, who="one")], 1) == 100
    assert buckets.take([Taking(rate=USER, who="two")], 60) == 0


async def test_without_redis_this_process_counts_alone_and_asks_again_after_a_second() -> None:
    clock, redis = FakeClock(), AwayRedis()
    limiter = RateLimiter(redis=redis, clock=clock)  # type: ignore[arg-type]
    await limiter.take(takings("u"), 60)
    assert limiter.local
    with pytest.raises(RateLimited) as refused:
        await limiter.take(takings("u"), 60)
    assert (refused.value.retry_after_ms, refused.value.headers) == (2_000, {"retry-after": "2"})
    assert refused.value.extensions == {"code": "RATE_LIMITED", "retryAfterMs": 2_000}
    assert redis.asked == 1
    clock.advance(1_000)
    await limiter.take(takings("u"), 1)
    assert redis.asked == 2


async def test_who_was_refused_is_refused_at_once_for_a_moment_and_nobody_else() -> None:
    clock = FakeClock()
    limiter = RateLimiter(redis=AwayRedis(), clock=clock)  # type: ignore[arg-type]
    limiter.check(takings("u"))
    await limiter.take(takings("u"), 100)
    limiter.check(takings("u"))
    with pytest.raises(RateLimited):
        await limiter.take(takings("u"), 5)
    with pytest.raises(RateLimited) as refused:
        limiter.check(takings("u"))
    assert refused.value.retry_after_ms == 500
    limiter.check(takings("other"))
    clock.advance(500)
    limiter.check(takings("u"))
    await limiter.take(takings("u"), 5)


async def test_who_asks_often_is_paid_for_ahead_and_who_stops_begins_anew() -> None:
    clock, redis = FakeClock(), AskedRedis()
    limiter = RateLimiter(redis=redis, clock=clock)  # type: ignore[arg-type]
    often = [Taking(rate=Rate(name="address", burst=300_000, per_s=1), who="a")]
    for _ in range(31):
        await limiter.take(often, 100)
    assert redis.asked == [(100, 0), (100, 100), (100, 300), (100, 700), (100, 1_500)]
    clock.advance(1_000)
    await limiter.take(often, 100)
    assert redis.asked[5:] == [(100, 0)]


async def test_no_more_than_a_hundredth_of_a_bucket_is_taken_ahead() -> None:
    redis = AskedRedis()
    limiter = RateLimiter(redis=redis, clock=FakeClock())  # type: ignore[arg-type]
    small = [
        Taking(rate=Rate(name="user", burst=30_000, per_s=1), who="u"),
        Taking(rate=Rate(name="address", burst=10**6, per_s=1), who="a"),
    ]
    for _ in range(40):
        await limiter.take(small, 100)
    assert max(ahead for _, ahead in redis.asked) == 300
    for _ in range(4):
        await limiter.take(takings("v", "b"), 10)
    assert redis.asked[-4:] == [(10, 0)] * 4


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "a:192.0.2.7"),
        ("::ffff:192.0.2.7", "a:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "a:2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "a:2001:db8:1:2::/64"),
        ("unknown", "a:unknown"),
        ("x" * 100, "a:" + "x" * 64),
    ],
)
def test_an_address_is_counted_by_what_one_customer_has(address: str, key: str) -> None:
    assert address_key(address) == key
