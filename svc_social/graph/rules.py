"""Pure decisions about two people: what an act does to their bond, where it is listed and counted, and what each may know of it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

from svc_social.graph.errors import FollowRequestNotFound, UnblockFirst
from svc_social.graph.tables import Bond, Direction, FollowState, ListKind
from svc_social.identity.actions import AccountNotFound

MOST_FOLLOWING = 10_000
"""How many people one may follow. It is judged when one follows, asks, and is let in: who follows that many asks nobody, and nobody lets them in.

Open requests do not count as follows: they may be more than there is room for, and stay open then. The count trails by seconds, so a burst
of follows and approvals may pass the limit by as many as come in them.
"""

MOST_ASKING = 1_000
"""How many open requests one may have; judged like MOST_FOLLOWING when one asks."""

NONE, REQUESTED, FOLLOWING = FollowState.NONE, FollowState.REQUESTED, FollowState.FOLLOWING


class Act(enum.Enum):
    """What one person can do to another; the names are those of the methods, under which request ids are remembered."""

    FOLLOW = "Follow"
    UNFOLLOW = "Unfollow"
    APPROVE = "ApproveFollow"
    DECLINE = "DeclineFollow"
    REMOVE = "RemoveFollower"
    BLOCK = "Block"
    UNBLOCK = "Unblock"
    MUTE = "Mute"
    UNMUTE = "Unmute"


UNDOING = frozenset({Act.UNFOLLOW, Act.DECLINE, Act.REMOVE, Act.UNBLOCK, Act.UNMUTE})
"""Acts that nobody is refused: who has nothing to undo is answered alike, whoever the other is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one person does to another."""

    follow: FollowState = NONE
    follow_since_ms: int = 0
    blocks_since_ms: int = 0
    """0 without a block."""
    mutes_since_ms: int = 0

    @property
    def blocks(self) -> bool:
        """Whether this person blocks the other."""
        return self.blocks_since_ms > 0

    @property
    def mutes(self) -> bool:
        """Whether this person mutes the other."""
        return self.mutes_since_ms > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What stands between a viewer and one person, from the viewer's end."""

    user_id: int
    mine: Side = Side()
    theirs: Side = Side()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a list: `other_id` stands in the list of `user_id` since a moment."""

    user_id: int
    kind: ListKind
    since_ms: int
    other_id: int


def pair_of(one: int, other: int) -> tuple[int, int]:
    """The key of the bond of two people."""
    return min(one, other), max(one, other)


def sides(bond: Bond) -> tuple[Side, Side]:
    """What the person with the smaller id does, and what the other does."""
    low = Side(
        follow=bond.low_follow,
        follow_since_ms=bond.low_follow_since_ms,
        blocks_since_ms=bond.low_blocks_since_ms,
        mutes_since_ms=bond.low_mutes_since_ms,
    )
    high = Side(
        follow=bond.high_follow,
        follow_since_ms=bond.high_follow_since_ms,
        blocks_since_ms=bond.high_blocks_since_ms,
        mutes_since_ms=bond.high_mutes_since_ms,
    )
    return low, high


def seen_by(viewer_id: int, bond: Bond) -> Relation:
    """The bond from one end."""
    low, high = sides(bond)
    if viewer_id == bond.low_id:
        return Relation(user_id=bond.high_id, mine=low, theirs=high)
    return Relation(user_id=bond.low_id, mine=high, theirs=low)


def with_sides(bond: Bond, low: Side, high: Side) -> Bond:
    """The bond with other sides."""
    return replace(
        bond,
        low_follow=low.follow,
        low_follow_since_ms=low.follow_since_ms,
        low_blocks_since_ms=low.blocks_since_ms,
        low_mutes_since_ms=low.mutes_since_ms,
        high_follow=high.follow,
        high_follow_since_ms=high.follow_since_ms,
        high_blocks_since_ms=high.blocks_since_ms,
        high_mutes_since_ms=high.mutes_since_ms,
    )


def after(act: Act, actor_id: int, bond: Bond, *, is_private: bool, now_ms: int) -> Bond:
    """The bond after an act of one of the two; equal to `bond` when the act changes nothing. `is_private` is of the other's account.

    Raises UnblockFirst, AccountNotFound and FollowRequestNotFound.
    """
    before = seen_by(actor_id, bond)
    mine, theirs = _after(act, before.mine, before.theirs, is_private=is_private, now_ms=now_ms)
    return with_sides(bond, mine, theirs) if actor_id == bond.low_id else with_sides(bond, theirs, mine)


def _after(act: Act, mine: Side, theirs: Side, *, is_private: bool, now_ms: int) -> tuple[Side, Side]:
    match act:
        case Act.FOLLOW:
            # Of one's own block one knows; who is blocked as well must not learn it from the answer.
            if mine.blocks:
                raise UnblockFirst
            if theirs.blocks:
                raise AccountNotFound
            if mine.follow is FOLLOWING:
                return mine, theirs
            return _following(mine, REQUESTED if is_private else FOLLOWING, now_ms), theirs
        case Act.UNFOLLOW:
            return _following(mine, NONE, 0), theirs
        case Act.APPROVE:
            if theirs.follow is NONE:
                raise FollowRequestNotFound
            return mine, _following(theirs, FOLLOWING, now_ms)
        case Act.DECLINE:
            return mine, _following(theirs, NONE, 0) if theirs.follow is REQUESTED else theirs
        case Act.REMOVE:
            return mine, _following(theirs, NONE, 0)
        case Act.BLOCK:
            blocked = replace(mine, blocks_since_ms=mine.blocks_since_ms or now_ms)
            return _following(blocked, NONE, 0), _following(theirs, NONE, 0)
        case Act.UNBLOCK:
            return replace(mine, blocks_since_ms=0), theirs
        case Act.MUTE:
            if theirs.blocks:
                raise AccountNotFound
            return replace(mine, mutes_since_ms=mine.mutes_since_ms or now_ms), theirs
        case Act.UNMUTE:
            return replace(mine, mutes_since_ms=0), theirs


def _following(side: Side, state: FollowState, since_ms: int) -> Side:
    return side if side.follow is state else replace(side, follow=state, follow_since_ms=since_ms)


def nearer(before: Bond, now: Bond) -> tuple[int, ...]:
    """Who came nearer to following the other by an act: who asks, and who follows now."""
    ids = (before.low_id, before.high_id)
    return tuple(one for one in ids if seen_by(one, now).mine.follow > seen_by(one, before).mine.follow)


def asks_anew(actor_id: int, before: Bond, now: Bond) -> bool:
    """Whether an act made the actor ask to follow the other."""
    return seen_by(actor_id, now).mine.follow is REQUESTED and seen_by(actor_id, before).mine.follow is not REQUESTED


def are_parted(bond: Bond) -> bool:
    """Whether either blocks the other."""
    return any(side.blocks for side in sides(bond))


def places(low_id: int, high_id: int, low: Side, high: Side) -> frozenset[Place]:
    """Where people are listed with one another."""
    return frozenset([*_places(low_id, high_id, low), *_places(high_id, low_id, high)])


def _places(actor_id: int, other_id: int, side: Side) -> Iterator[Place]:
    if side.follow is FOLLOWING:
        yield Place(actor_id, ListKind.FOLLOWING, side.follow_since_ms, other_id)
        yield Place(other_id, ListKind.FOLLOWERS, side.follow_since_ms, actor_id)
    if side.follow is REQUESTED:
        yield Place(other_id, ListKind.REQUESTS, side.follow_since_ms, actor_id)
    if side.blocks:
        yield Place(actor_id, ListKind.BLOCKED, side.blocks_since_ms, other_id)
    if side.mutes:
        yield Place(actor_id, ListKind.MUTED, side.mutes_since_ms, other_id)


def stands(place: Place, bond: Bond | None) -> bool:
    """Whether a place that was read from a list is still true."""
    return bond is not None and place in places(bond.low_id, bond.high_id, *sides(bond))


def ends(actor_id: int, other_id: int) -> tuple[tuple[int, Direction, int], tuple[int, Direction, int]]:
    """The two members that one follow is in counts: (whose, direction, who)."""
    return (actor_id, Direction.FOLLOWING, other_id), (other_id, Direction.FOLLOWERS, actor_id)


def may_list(*, viewer_id: int, owner_id: int, is_private: bool, relation: Relation) -> bool:
    """Whether a viewer may read whom a person follows and who follows it; `relation` is the viewer's to that person."""
    return not is_private or viewer_id == owner_id or relation.mine.follow is FOLLOWING
