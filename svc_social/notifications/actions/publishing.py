"""Publishing: brings a publication to the inboxes of followers, some at a time, so that nothing else waits for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from mesh.clock import Clock
from mesh.deadline import scope
from mesh.stores.tables.errors import TablesError
from mesh.telemetry import Telemetry
from svc_social.graph.actions import Followers, FollowState, Relation
from svc_social.notifications import convert, rules
from svc_social.notifications.actions.receiving import Receiving, may_be_told
from svc_social.notifications.metrics import FANNED_OUT
from svc_social.notifications.store import FanOutStore
from svc_social.notifications.store.fan_outs import SHARDS
from svc_social.notifications.tables import FanOut

EVERY_S = 5.0
"""How often somebody looks for what others left; what this process begins it does at once."""
PAGE = 200
"""Followers of one step: where it stands is written after each."""
AT_ONCE = 16
"""Inboxes that are written side by side: enough to share commits, few enough to leave room for others."""
LEASE_MS = 60_000
_STEP_S = 20.0

_log = logging.getLogger("clipmesh.notifications")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Fans publications out. A step that is done twice changes nothing; one that was cut off is gone on with by anybody, after the lease."""

    fan_outs: FanOutStore
    followers: Followers
    receiving: Receiving
    clock: Clock
    telemetry: Telemetry | None = None
    _begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, fan_out: FanOut) -> None:
        """Have followers told of a publication, once for each video."""
        if fan_out.expires_at_ms > self.clock.now_ms():
            await self.fan_outs.begin(fan_out)
            self._begun.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            self._begun.clear()
            try:
                for shard in range(SHARDS):
                    await self.work(shard)
            except TablesError as error:
                _log.warning("fan-outs wait", extra={"error_type": type(error).__name__})
                await asyncio.sleep(EVERY_S)
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._begun.wait()
            except TimeoutError:
                continue

    async def work(self, shard: int) -> None:
        """Bring every publication of a queue that nobody works at to all followers."""
        for video_id in await self.fan_outs.open(shard):
            fan_out = await self.fan_outs.get(video_id)
            if fan_out is not None and not fan_out.done:
                if fan_out.leased_until_ms > self.clock.now_ms():
                    continue
                leased = await self._go_on(fan_out, after=fan_out.after, told=fan_out.told, done=False)
                while leased is not None and not leased.done:
                    with scope(_STEP_S):
                        leased = await self.step(leased)
                if leased is None:
                    continue
            await self.fan_outs.close(video_id)

    async def step(self, fan_out: FanOut) -> FanOut | None:
        """One page of followers; None when somebody else took over."""
        relations, after = await self.followers.page(fan_out.creator_id, after=fan_out.after, limit=PAGE)
        news = [convert.news_of_fan_out(fan_out, relation.user_id) for relation in relations if _hears(relation, fan_out)]
        if fan_out.published_at_ms + rules.KEPT_MS > self.clock.now_ms():
            await self.receiving.tell(news, at_once=AT_ONCE)
        if self.telemetry is not None:
            self.telemetry.count(FANNED_OUT, len(news))
        return await self._go_on(fan_out, after=after, told=fan_out.told + len(news), done=not after)

    async def _go_on(self, fan_out: FanOut, *, after: str, told: int, done: bool) -> FanOut | None:
        until_ms = 0 if done else self.clock.now_ms() + LEASE_MS
        return await self.fan_outs.go_on(fan_out, after=after, told=told, done=done, leased_until_ms=until_ms)


def _hears(relation: Relation, fan_out: FanOut) -> bool:
    """Whether a follower, as the creator sees them, is told: nobody whom a block parts from the creator, nobody who muted the creator."""
    if relation.theirs.follow is not FollowState.FOLLOWING or (fan_out.friends_only and relation.mine.follow is not FollowState.FOLLOWING):
        return False
    return may_be_told(Relation(user_id=fan_out.creator_id, mine=relation.theirs, theirs=relation.mine))
