"""People with accounts, what they do to one another through GraphService, and how its events reach its consumers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import graph_service_pb2 as pb
from clipmesh.social.v1.events_pb2 import BondChanged
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub

from mesh.client import RpcFailed
from mesh.events.applying import Applying
from mesh.events.shapes import Consumer
from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable
from mesh.testing.rpc import viewer
from svc_social.graph.tables import Bond
from svc_social.identity.tables import Account
from tests.service.social.world import World

ACTS = ("Follow", "Unfollow", "ApproveFollow", "DeclineFollow", "RemoveFollower", "Block", "Unblock", "Mute", "Unmute")
OWN_LISTS = {"requests": "ListFollowRequests", "blocked": "ListBlocked", "muted": "ListMuted"}
LISTS = {"followers": "ListFollowers", "following": "ListFollowing"}

NONE, REQUESTED, FOLLOWING = pb.FOLLOW_STATE_UNSPECIFIED, pb.FOLLOW_STATE_REQUESTED, pb.FOLLOW_STATE_FOLLOWING

_ids = itertools.count(1)


class Died(Exception):
    """A consumer's process ends here, as far as the test is concerned."""


@dataclass
class Frail:
    """Tables whose next writes of bonds, and next writes of consumers, go as told.

    Bonds: `refused` is not written and says so, `silent` is written and says nothing. Consumers: the write whose number comes to 0 ends them.
    """

    tables: Tables
    bonds: list[str] = field(default_factory=list)
    dies_after: int = -1
    settled: dict[str, bool] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tables, name)

    async def insert(self, row: Any, *, events: Sequence[Any] = ()) -> Any:
        return await self._bond(row, lambda: self.tables.insert(row, events=events))

    async def transition(self, row: Any, *, expected_version: int, events: Sequence[Any] = ()) -> Any:
        return await self._bond(row, lambda: self.tables.transition(row, expected_version=expected_version, events=events))

    async def _bond(self, row: Any, write: Any) -> Any:
        fault = self.bonds.pop(0) if self.bonds and isinstance(row, Bond) else ""
        if fault == "refused":
            raise TablesUnavailable("told to")
        written = await write()
        if fault == "silent":
            token = str(len(self.settled))
            self.settled[token] = True
            raise OutcomeUnknown(token)
        if fault == "lost":
            raise TablesUnavailable("written, and the process died")
        return written

    async def settle(self, token: str) -> bool:
        return self.settled[token] if token in self.settled else await self.tables.settle(token)

    async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> Any:
        self._step()
        return await self.tables.commit(*changes, events=events)

    async def put(self, *rows: Any, events: Sequence[Any] = ()) -> None:
        self._step()
        await self.tables.put(*rows, events=events)

    async def delete(self, *rows: Any, events: Sequence[Any] = ()) -> None:
        self._step()
        await self.tables.delete(*rows, events=events)

    def _step(self) -> None:
        if self.dies_after == 0:
            self.dies_after = -1
            raise Died
        self.dies_after -= self.dies_after > 0


async def person(world: World, *, is_private: bool = False) -> int:
    """A new account without the trouble of signing up."""
    user_id = next(_ids) + 10**15
    await world.tables.insert(Account(user_id=user_id, is_private=is_private, created_at_ms=world.clock.now_ms() - 1_000))
    return user_id


async def people(world: World, count: int, *, private: Iterable[int] = ()) -> list[int]:
    """New accounts; those at the places `private` are private."""
    return [await person(world, is_private=at in set(private)) for at in range(count)]


def graph(world: World, user_id: int = 0, *, caller: str = "gateway", **fields: Any) -> GraphServiceStub:
    """GraphService as a service calls it for a person, 0 for nobody."""
    return world.served.stub(GraphServiceStub, caller=caller, viewer=viewer(user_id=user_id, **fields) if user_id else None)


async def act(world: World, name: str, actor_id: int, user_id: int, *, request_id: str = "") -> pb.Relationship:
    """What one person does to another."""
    request = getattr(pb, f"{name}Request")(user_id=user_id, request_id=request_id or f"act-{next(_ids)}")
    answer = await getattr(graph(world, actor_id), name)(request)
    relationship: pb.Relationship = answer.relationship
    return relationship


async def refused(world: World, name: str, actor_id: int, user_id: int) -> str:
    """The reason why an act is refused; nothing of the graph is changed by it."""
    before, said = await world.rows(Bond), await world.events()
    try:
        await act(world, name, actor_id, user_id)
    except RpcFailed as failed:
        assert await world.rows(Bond) == before
        assert await world.events() == said
        return failed.reason
    raise AssertionError(f"{name} was not refused")


async def relation(world: World, viewer_id: int, user_id: int, *, caller: str = "gateway") -> pb.Relationship:
    """What stands between a viewer and a person."""
    answer = await graph(world, viewer_id, caller=caller).BatchGetRelationships(pb.BatchGetRelationshipsRequest(user_ids=[user_id]))
    return answer.relationships[0]


async def listed(world: World, name: str, owner_id: int, *, viewer_id: int | None = None, page_size: int = 3) -> list[int]:
    """All people of a list, page by page."""
    stub, found, token = graph(world, owner_id if viewer_id is None else viewer_id), [], ""
    while True:
        if name in OWN_LISTS:
            method = OWN_LISTS[name]
            request = getattr(pb, f"{method}Request")(page_size=page_size, page_token=token)
        else:
            method = LISTS[name]
            request = getattr(pb, f"{method}Request")(user_id=owner_id, page_size=page_size, page_token=token)
        page = await getattr(stub, method)(request)
        assert len(page.people) <= page_size
        found += [one.user_id for one in page.people]
        token = page.next_page_token
        if not token:
            return found


async def counts(world: World, user_id: int, *, viewer_id: int = 0) -> tuple[int, int]:
    """Followers and following."""
    answer = await graph(world, viewer_id).BatchGetGraphCounts(pb.BatchGetGraphCountsRequest(user_ids=[user_id]))
    return answer.counts[0].followers, answer.counts[0].following


async def bond_events(world: World, among: Iterable[int]) -> list[EventEnvelope]:
    """What was said of bonds among some people, in the order of ids."""
    wanted = set(among)
    return [
        event for event in await world.events() if event.type == BondChanged.DESCRIPTOR.full_name and wanted.issuperset(event.subject_ids)
    ]


async def deliver(world: World, events: Iterable[EventEnvelope], *, consumers: Sequence[Consumer] = ()) -> None:
    """Hand events to the consumers of the graph, in this order; who dies gets the event again."""
    in_order = list(events)
    for consumer in consumers or world.graph.consumers:
        applying = Applying(consumer=consumer, tables=world.tables, handler_timeout_ms=30_000, telemetry=None)
        for event in in_order:
            while True:
                try:
                    assert await applying.apply(event)
                except Died:
                    continue
                break


async def catch_up(world: World, among: Iterable[int]) -> None:
    """All that was said of some people reaches the consumers."""
    await deliver(world, await bond_events(world, among))
