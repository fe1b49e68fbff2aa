"""How much a person and an address may ask: token buckets in Redis, in this process alone while Redis is away."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import Fault
from mesh.addresses import network_of
from mesh.clock import Clock
from mesh.stores.redis import Redis, RedisUnavailable, Script

_log = logging.getLogger("clipmesh.gateway")

REDIS_S = 0.1
"""Longest wait for Redis: the limit must never be slower than what it protects."""
AWAY_MS = 1_000
"""How long Redis is not asked after it failed."""
MOST_KEYS = 20_000
"""Buckets that this process remembers."""

AHEAD_MS = 1_000
"""How long what was taken ahead is kept; then it is gone."""
MOST_AHEAD = 16
"""Requests that one question to Redis pays for."""
AHEAD_SHARE = 0.01
"""Share of a bucket that may be taken ahead, and so be lost to whoever stops asking."""

_TAKE = Script(
    """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local asked, ahead = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait, left = 0, {}
for i, key in ipairs(KEYS) do
  local burst, per_s = tonumber(ARGV[i * 2 + 1]), tonumber(ARGV[i * 2 + 2])
  local weight = math.min(asked, burst)
  local kept = redis.call('HMGET', key, 'left', 'at')
  local at = tonumber(kept[2]) or now
  left[i] = math.min(burst, (tonumber(kept[1]) or burst) + math.max(0, now - at) * per_s / 1000)
  if left[i] < weight then
    wait = math.max(wait, math.ceil((weight - left[i]) * 1000 / per_s))
  end
  left[i] = left[i] - weight
  if left[i] < ahead then
    ahead = 0
  end
end
if wait > 0 then
  return {wait, 0}
end
for i, key in ipairs(KEYS) do
  local burst, per_s = tonumber(ARGV[i * 2 + 1]), tonumber(ARGV[i * 2 + 2])
  redis.call('HSET', key, 'left', tostring(left[i] - ahead), 'at', now)
  redis.call('PEXPIRE', key, math.ceil(burst * 1000 / per_s) + 1000)
end
return {0, ahead}
"""
)
"""Takes the weight from every bucket, and as much more as was asked ahead when all have it; or nothing from any. Answers how many milliseconds to wait,
and what was taken ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A bucket: `burst` at once, `per_s` again every second."""

    name: str
    burst: float
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """One bucket of one person or address."""

    rate: Rate
    who: str

    @property
    def key(self) -> str:
        """Where Redis keeps it."""
        return f"rate:{self.rate.name}:{self.who}"


class RateLimited(Fault):
    """Too much was asked for now."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__("RATE_LIMITED", "too many requests: wait, then try again", retry_after_ms=max(1, wait_ms))

    @property
    def headers(self) -> dict[str, str]:
        """For HTTP, in whole seconds."""
        return {"retry-after": str(math.ceil(self.retry_after_ms / 1000))}


@dataclass(slots=True)
class _Ahead:
    """What was taken for somebody who asks often, to be spent without a question."""

    left: float
    until_ms: int
    requests: int
    """That it was meant for; twice as many the next time, when it is spent in time."""


class LocalBuckets:
    """The same buckets in memory; the least recently used are forgotten."""

    def __init__(self, *, clock: Clock, most: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, takings: Sequence[Taking], weight: float) -> int:
        """0 when the weight was taken from all, else how many milliseconds to wait."""
        now_ms = self._clock.monotonic_ms()
        wait_ms, left = 0, []
        for taking in takings:
            rate = taking.rate
            part = min(weight, rate.burst)
            kept, at_ms = self._buckets.get(taking.key, (rate.burst, now_ms))
            have = min(rate.burst, kept + max(0, now_ms - at_ms) * rate.per_s / 1000)
            if have < part:
                wait_ms = max(wait_ms, math.ceil((part - have) * 1000 / rate.per_s))
            left.append(have - part)
        if not wait_ms:
            for taking, rest in zip(takings, left, strict=True):
                self._buckets[taking.key] = (rest, now_ms)
                self._buckets.move_to_end(taking.key)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        return wait_ms


class RateLimiter:
    """Buckets that all gateways share through Redis."""

    def __init__(self, *, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._local = LocalBuckets(clock=clock)
        self._away_until_ms = 0
        self._refused: OrderedDict[str, int] = OrderedDict()
        self._ahead: OrderedDict[tuple[str, ...], _Ahead] = OrderedDict()

    @property
    def local(self) -> bool:
        """True while Redis is away and this process counts alone."""
        return self._clock.monotonic_ms() < self._away_until_ms

    def check(self, takings: Sequence[Taking]) -> None:
        """Refuse at once whoever was refused a moment ago, before any work is spent. Raises RateLimited."""
        now_ms = self._clock.monotonic_ms()
        for taking in takings:
            until_ms = self._refused.get(taking.key, 0)
            if until_ms > now_ms:
                raise RateLimited(until_ms - now_ms)

    async def take(self, takings: Sequence[Taking], weight: float) -> None:
        """Count `weight` against every bucket, or against none. Raises RateLimited."""
        wait_ms = await self._take(takings, weight)
        if wait_ms:
            # A refused one waits as long as a cheap request would have to: another, cheaper one may still pass then.
            until_ms = self._clock.monotonic_ms() + min(wait_ms, 1_000)
            for taking in takings[:1]:
                self._refused[taking.key] = until_ms
                self._refused.move_to_end(taking.key)
            while len(self._refused) > MOST_KEYS:
                self._refused.popitem(last=False)
            raise RateLimited(wait_ms)

    async def _take(self, takings: Sequence[Taking], weight: float) -> int:
        if self.local:
            return self._local.take(takings, weight)
        keys = tuple(taking.key for taking in takings)
        known, now_ms = self._ahead.get(keys), self._clock.monotonic_ms()
        lately = known is not None and now_ms < known.until_ms
        if known is not None and lately and known.left >= weight:
            known.left -= weight
            return 0
        # Who spends within a second what was taken ahead asks often: Redis is asked half as often for them.
        requests = min(MOST_AHEAD, 2 * known.requests) if known is not None and lately else 1
        ahead = int(min(weight * (requests - 1), *(taking.rate.burst * AHEAD_SHARE for taking in takings)))
        arguments: list[str | bytes | int | float] = [weight, ahead if ahead >= weight else 0]
        for taking in takings:
            arguments += [taking.rate.burst, taking.rate.per_s]
        try:
            wait_ms, taken = await self._redis.run(_TAKE, keys=keys, arguments=arguments, timeout_s=REDIS_S)
        except RedisUnavailable:
            if not self.local:
                _log.warning("rate limits are counted by this process alone: Redis is away")
            self._away_until_ms = self._clock.monotonic_ms() + AWAY_MS
            return self._local.take(takings, weight)
        self._ahead[keys] = _Ahead(left=float(taken), until_ms=now_ms + AHEAD_MS, requests=requests)
        self._ahead.move_to_end(keys)
        while len(self._ahead) > MOST_KEYS:
            self._ahead.popitem(last=False)
        return int(wait_ms)


def address_key(address: str) -> str:
    """How an address is counted: IPv6 by its /64, which one customer owns whole."""
    return f"a:{network_of(address)}"
