"""Acts of one person towards another: each is one change of one row with one event, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.social.v1.events_pb2 import BondChanged

from mesh.clock import Clock
from mesh.events.event import Event, EventMaker
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_social.graph.convert import bond_changed
from svc_social.graph.errors import FollowRequestNotFound, SelfFollow, TooManyFollowRequests, TooManyFollows
from svc_social.graph.rules import MOST_ASKING, MOST_FOLLOWING, UNDOING, Act, Relation, after, asks_anew, nearer, seen_by, sides
from svc_social.graph.store.bonds import BondStore
from svc_social.graph.store.edges import EdgeStore
from svc_social.graph.tables import Bond, Direction
from svc_social.identity.actions import AccountNotFound, Profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """Changes bonds."""

    bonds: BondStore
    edges: EdgeStore
    profiles: Profiles
    requests: RequestLog
    next_id: Callable[[], int]
    clock: Clock
    events: EventMaker
    told: Callable[[BondChanged], Awaitable[None]] | None = None
    """Hears of a change before whoever made it hears that it is done; never raises."""

    async def act(self, act: Act, actor_id: int, user_id: int, *, request_id: str, body: bytes) -> Relation:
        """What stands between the two afterwards; the repeat of a request changes nothing more.

        Raises SelfFollow, AccountNotFound, UnblockFirst, FollowRequestNotFound, TooManyFollows,
        TooManyFollowRequests and RequestIdReused; then nothing was changed.
        """
        if actor_id == user_id:
            raise SelfFollow
        accounts, bond = await asyncio.gather(self.profiles.many([user_id]), self.bonds.get(actor_id, user_id))
        if not accounts and not (act in UNDOING and bond.version):
            if act in UNDOING:
                # Nothing to undo, and no row for somebody who is not there.
                return seen_by(actor_id, bond)
            raise FollowRequestNotFound if act is Act.APPROVE else AccountNotFound
        is_private = any(account.is_private for account in accounts)
        now_ms = self.clock.now_ms()
        await self._judge(act, actor_id, bond, is_private=is_private, now_ms=now_ms)
        claim = await self.requests.claim(caller=actor_id, method=act.value, request_id=request_id, body=body, new_id=self.next_id)

        def change(standing: Bond) -> Bond | None:
            if is_applied(standing.applied, claim):
                return None
            changed = after(act, actor_id, standing, is_private=is_private, now_ms=now_ms)
            # Also what changes nothing is noted: repeated after another act, it would change something.
            return replace(changed, applied=with_applied(standing.applied, claim))

        changes: list[BondChanged] = []

        def events(before: Bond, now: Bond) -> Sequence[Event]:
            changes[:] = [] if sides(before) == sides(now) else [bond_changed(before, now)]
            people = (now.low_id, now.high_id)
            return [self.events.make(one, key=f"{now.low_id}:{now.high_id}", subject_ids=people) for one in changes]

        written = await self.bonds.change(bond, change, events=events)
        if self.told is not None:
            for one in changes:
                await self.told(one)
        return seen_by(actor_id, written)

    async def _judge(self, act: Act, actor_id: int, bond: Bond, *, is_private: bool, now_ms: int) -> None:
        """Refuse before anything is written, the note of the request id included."""
        judged = after(act, actor_id, bond, is_private=is_private, now_ms=now_ms)
        followers = nearer(bond, judged)
        if followers:
            counts = await self.edges.counts(followers, Direction.FOLLOWING, Direction.ASKING)
            if max(counts[one, Direction.FOLLOWING] for one in followers) >= MOST_FOLLOWING:
                raise TooManyFollows(most=MOST_FOLLOWING)
            if asks_anew(actor_id, bond, judged) and counts[actor_id, Direction.ASKING] >= MOST_ASKING:
                raise TooManyFollowRequests(most=MOST_ASKING)
