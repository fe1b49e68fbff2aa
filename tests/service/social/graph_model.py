"""Random histories of people, and the simple model that says how each ends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from clipmesh.social.v1 import graph_service_pb2 as pb
from hypothesis import strategies as st

from mesh.client import RpcFailed
from mesh.errors import Unavailable
from tests.service.social.graph_world import (
    ACTS,
    FOLLOWING,
    NONE,
    REQUESTED,
    Frail,
    act,
    bond_events,
    counts,
    deliver,
    listed,
    people,
    relation,
)
from tests.service.social.world import World

PEOPLE = 4
PRIVATE = 3
"""The last person's account is private."""

_who = st.integers(0, PEOPLE - 1)
_faults = st.lists(st.sampled_from(["", "refused", "lost", "silent"]), max_size=2)
_new = st.tuples(st.just("act"), st.sampled_from([*ACTS, "Follow", "Follow", "Block"]), _who, _who, _faults)
_again = st.tuples(st.just("again"), st.integers(0, 20))
_heard = st.tuples(st.just("heard"), st.integers(0, 2**16), st.integers(-1, 6))
HISTORIES = st.lists(st.one_of(_new, _new, _new, _again, _heard), min_size=1, max_size=14)


class Refused(Exception):
    """The model refuses; its only argument is the reason."""


@dataclass
class Model:
    """Who does what to whom, as plain sets and numbers."""

    private: set[int]
    follows: dict[tuple[int, int], int] = field(default_factory=dict)
    """(who, whom) -> when it began; the newest first in lists."""
    requests: dict[tuple[int, int], int] = field(default_factory=dict)
    blocks: dict[tuple[int, int], int] = field(default_factory=dict)
    mutes: dict[tuple[int, int], int] = field(default_factory=dict)

    def act(self, name: str, who: int, whom: int, at: int) -> None:
        """What an act does. Raises Refused."""
        there, back = (who, whom), (whom, who)
        if who == whom:
            raise Refused("SELF_FOLLOW")
        if name == "Follow" and there in self.blocks:
            raise Refused("UNBLOCK_FIRST")
        if name in {"Follow", "Mute"} and back in self.blocks:
            raise Refused("ACCOUNT_NOT_FOUND")
        if name == "ApproveFollow" and back not in self.follows and back not in self.requests:
            raise Refused("FOLLOW_REQUEST_NOT_FOUND")
        if name == "Follow" and there not in self.follows:
            (self.requests if whom in self.private else self.follows).setdefault(there, at)
        elif name == "ApproveFollow" and back in self.requests:
            del self.requests[back]
            self.follows[back] = at
        elif name == "Block":
            self.blocks.setdefault(there, at)
            for gone in (there, back):
                self.follows.pop(gone, None)
                self.requests.pop(gone, None)
        elif name == "Mute":
            self.mutes.setdefault(there, at)
        elif name == "Unfollow":
            self.follows.pop(there, None)
            self.requests.pop(there, None)
        elif name == "DeclineFollow":
            self.requests.pop(back, None)
        elif name == "RemoveFollower":
            self.follows.pop(back, None)
            self.requests.pop(back, None)
        elif name in {"Unblock", "Unmute"}:
            (self.blocks if name == "Unblock" else self.mutes).pop(there, None)

    def relation(self, who: int, whom: int) -> tuple[int, int, bool, bool, bool]:
        """The viewer's follow, the other's, the viewer's block and mute, and the other's block."""
        return (
            self._follow(who, whom),
            self._follow(whom, who),
            (who, whom) in self.blocks,
            (who, whom) in self.mutes,
            (whom, who) in self.blocks,
        )

    def _follow(self, who: int, whom: int) -> int:
        if (who, whom) in self.follows:
            return FOLLOWING
        return REQUESTED if (who, whom) in self.requests else NONE

    def lists(self, owner: int) -> dict[str, list[int]]:
        """All lists of a person, newest first."""

        def of(edges: dict[tuple[int, int], int], end: int) -> list[int]:
            found = [(at, edge[1 - end]) for edge, at in edges.items() if edge[end] == owner]
            return [other for _, other in sorted(found, reverse=True)]

        return {
            "followers": of(self.follows, 1),
            "following": of(self.follows, 0),
            "requests": of(self.requests, 1),
            "blocked": of(self.blocks, 0),
            "muted": of(self.mutes, 0),
        }


@dataclass
class Life:
    """A history as it happens, in the service and in the model."""

    world: World
    frail: Frail
    ids: list[int]
    model: Model
    made: list[tuple[str, int, int, str]] = field(default_factory=list)
    applied: set[str] = field(default_factory=set)

    @classmethod
    async def begin(cls, world: World, frail: Frail) -> Life:
        """New people who have nothing to do with one another."""
        return cls(world, frail, await people(world, PEOPLE, private=[PRIVATE]), Model(private={PRIVATE}))

    async def live(self, history: Sequence[tuple[object, ...]]) -> None:
        """One thing after the other."""
        for step in history:
            match step:
                case ("act", str(name), int(who), int(whom), list(faults)):
                    request_id = f"request-{len(self.made)}"
                    self.made.append((name, who, whom, request_id))
                    await self._ask(*self.made[-1], faults=faults)
                case ("again", int(which)) if self.made:
                    await self._ask(*self.made[which % len(self.made)], faults=[])
                case ("heard", int(seed), int(dies_after)):
                    await self._hear(seed, dies_after)
                case _:
                    pass

    async def _ask(self, name: str, who: int, whom: int, request_id: str, *, faults: list[str]) -> None:
        """Ask until there is an answer, as a client does."""
        self.world.clock.advance(7)
        expected = ""
        if request_id not in self.applied:
            try:
                self.model.act(name, who, whom, self.world.clock.now_ms())
            except Refused as refused:
                expected = str(refused)
            else:
                self.applied.add(request_id)
        else:
            expected = "anything"
        self.frail.bonds = list(faults)
        found, answer = "", pb.Relationship()
        while True:
            try:
                answer = await act(self.world, name, self.ids[who], self.ids[whom], request_id=request_id)
            except Unavailable:
                continue
            except RpcFailed as failed:
                found = failed.reason
            break
        self.frail.bonds = []
        assert expected in {found, "anything"}
        if not found:
            assert told(answer)[:4] == self.model.relation(who, whom)[:4]

    async def _hear(self, seed: int, dies_after: int) -> None:
        """Some events come, some twice, in any order, and the consumer may die in the middle."""
        dice = random.Random(seed)
        events = await bond_events(self.world, self.ids)
        some = [event for event in events for _ in range(dice.choice([0, 1, 1, 2]))]
        dice.shuffle(some)
        self.frail.dies_after = dies_after
        await deliver(self.world, some)
        self.frail.dies_after = -1

    async def check(self) -> None:
        """After everything was heard once more, as after a rewind, all is as the model says."""
        await deliver(self.world, await bond_events(self.world, self.ids))
        numbers = {user_id: number for number, user_id in enumerate(self.ids)}
        for number, user_id in enumerate(self.ids):
            expected = self.model.lists(number)
            found = {name: [numbers[other] for other in await listed(self.world, name, user_id, page_size=2)] for name in expected}
            assert found == expected
            assert await counts(self.world, user_id) == (len(expected["followers"]), len(expected["following"]))
            for other, other_id in enumerate(self.ids):
                if other != number:
                    assert told(await relation(self.world, user_id, other_id, caller="feed")) == self.model.relation(number, other)


def told(answer: pb.Relationship) -> tuple[int, int, bool, bool, bool]:
    """A relationship as the model says it."""
    return answer.follow, answer.followed_by, answer.blocks, answer.mutes, answer.blocked_by
