"""Documents that clients ask for by their hash: who has sent one once sends 64 characters from then on (Apollo's automatic persisted queries).

Redis holds them for all gateways, together within a bound, the least recently used leave first; this process remembers the latest. Nobody has to be able to
find one: whoever hears that a document is not known sends it again, and so does everybody while Redis is away.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from dataclasses import replace
from typing import Final, Protocol

from gateway.admission import Admission
from gateway.errors import Fault
from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Plan
from gateway.viewers import Viewer
from mesh.clock import Clock
from mesh.stores.redis import Redis, RedisUnavailable, Script

_log = logging.getLogger("clipmesh.gateway")

REDIS_S: Final = 0.1
"""Longest wait for Redis: to be asked for the text costs a client less."""
AWAY_MS: Final = 1_000
"""How long Redis is not asked after it failed."""
TEXTS, USED, HELD = "documents:texts", "documents:used", "documents:held"
"""Hash -> text; hash -> when it was used last; characters of all texts. One of each: what is bounded together is kept together."""
_MOST_OUT: Final = 50
"""Documents that one that comes may drive out; what is left over leaves with the next."""

_FIND: Final = Script(
    """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local used = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]))
if not used or used < now - tonumber(ARGV[2]) then
  return false
end
redis.call('ZADD', KEYS[2], now, ARGV[1])
return redis.call('HGET', KEYS[1], ARGV[1])
"""
)
_KEEP: Final = Script(
    """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ttl, most, out = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZADD', KEYS[2], now, ARGV[1])
if redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('INCRBY', KEYS[3], #ARGV[2])
end
for _ = 1, out do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  local held = tonumber(redis.call('GET', KEYS[3]) or 0)
  if not oldest[1] or (held <= most and tonumber(oldest[2]) >= now - ttl) then
    break
  end
  redis.call('DECRBY', KEYS[3], redis.call('HSTRLEN', KEYS[1], oldest[1]))
  redis.call('HDEL', KEYS[1], oldest[1])
  redis.call('ZREM', KEYS[2], oldest[1])
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ttl)
end
return 1
"""
)
"""Keeps a text, and lets go of what was not used for the time to live, and of the least recently used while all together are too long."""


class DocumentSource(Protocol):
    """Where the text of an operation comes from, and whether it may be asked at all."""

    @property
    def asks_all(self) -> bool:
        """True when also who sends a text is looked at."""
        ...

    def known(self, sha256: str) -> str:
        """The text of a hash as far as this process remembers it, empty when it does not; to be asked before anything is decided."""
        ...

    async def read(self, asked: Asked) -> Asked:
        """The operation with its text. Raises Invalid when there is none, or when it may not be asked."""
        ...

    async def ran(self, plan: Plan, viewer: Viewer) -> None:
        """Remember the document of an operation that may run and that was sent with its hash; what hinders that is nobody's error."""
        ...


def sha256_of(text: str) -> str:
    """The name of a document: SHA-256 of its UTF-8, in small hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class PersistedQueryNotFound(Fault):
    """The document has to be sent; the message is the one that clients of the protocol look for."""

    def __init__(self) -> None:
        super().__init__("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")


class PersistedQueryNotSupported(Fault):
    """Documents are not kept here; clients of the protocol stop asking by hash."""

    def __init__(self) -> None:
        super().__init__("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")


class HashMismatch(Fault):
    """The text that came is not the one that its hash names."""

    def __init__(self) -> None:
        super().__init__("PERSISTED_QUERY_HASH_MISMATCH", "sha256Hash is not the SHA-256 of the query")


class KeptDocuments:
    """Automatic persisted queries, where anybody may bring documents."""

    asks_all = False

    def __init__(self, *, redis: Redis, clock: Clock, admission: Admission, characters: int, local_characters: int, ttl_ms: int) -> None:
        """`characters` bounds what Redis holds, 0 for nothing at all; `local_characters` what this process remembers."""
        self._redis = redis
        self._clock = clock
        self._admission = admission
        self._characters = characters
        self._room = local_characters
        self._ttl_ms = ttl_ms
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._held = 0
        self._away_until_ms = 0

    def known(self, sha256: str) -> str:
        """See `DocumentSource`."""
        return self._texts.get(sha256, "")

    async def read(self, asked: Asked) -> Asked:
        """See `DocumentSource`."""
        if not asked.query:
            # What was found here has been brought, and paid for, already.
            return replace(asked, query=await self._found(asked.persisted), persisted="")
        if self._texts.get(asked.persisted) != asked.query and sha256_of(asked.query) != asked.persisted:
            raise Invalid([HashMismatch()])
        return asked

    async def _found(self, sha256: str) -> str:
        if not self._characters:
            raise Invalid([PersistedQueryNotSupported()])
        text = self._texts.get(sha256)
        if text is not None:
            self._texts.move_to_end(sha256)
            return text
        found = await self._ask(_FIND, [TEXTS, USED], [sha256, self._ttl_ms])
        text = found.decode("utf-8", "replace") if isinstance(found, bytes) else ""
        # What another wrote into Redis is believed as little as what a client sends.
        if not text or sha256_of(text) != sha256:
            raise Invalid([PersistedQueryNotFound()])
        self._remember(sha256, text)
        return text

    async def ran(self, plan: Plan, viewer: Viewer) -> None:
        """See `DocumentSource`."""
        sha256, text = plan.asked.persisted, plan.asked.query
        if not self._characters or sha256 in self._texts or not await self._admission.may_keep(viewer, len(text)):
            return
        self._remember(sha256, text)
        await self._ask(_KEEP, [TEXTS, USED, HELD], [sha256, text, self._ttl_ms, self._characters, _MOST_OUT])

    async def _ask(self, script: Script, keys: list[str], arguments: list[str | int]) -> object:
        """What Redis answers, None while it is away."""
        if self._clock.monotonic_ms() < self._away_until_ms:
            return None
        try:
            return await self._redis.run(script, keys=keys, arguments=[*arguments], repeat=True, timeout_s=REDIS_S)
        except RedisUnavailable:
            _log.warning("documents are remembered by this process alone: Redis is away")
            self._away_until_ms = self._clock.monotonic_ms() + AWAY_MS
            return None

    def _remember(self, sha256: str, text: str) -> None:
        if sha256 in self._texts:
            return
        self._texts[sha256] = text
        self._held += len(text)
        while self._held > self._room:
            _, oldest = self._texts.popitem(last=False)
            self._held -= len(oldest)
