"""Folds BondChanged into counts and lists; every event says both ends before and after, so one that comes twice or late changes nothing."""

from __future__ import annotations

from clipmesh.social.v1 import events_pb2

from mesh.events.consumers import Incoming, Rejected, VersionedRow
from svc_social.graph.convert import side_from_proto
from svc_social.graph.rules import ends, places
from svc_social.graph.store.edges import EdgeStore
from svc_social.graph.store.lists import ListStore
from svc_social.graph.tables import Direction, Edge, FollowState

BondChanged = events_pb2.BondChanged


class CountedEdges(VersionedRow):
    """Who follows whom, as a tallied set at each end."""

    name = "graph-counts"
    topics = ("social",)

    def __init__(self, *, edges: EdgeStore) -> None:
        self._edges = edges
        self.handlers = {BondChanged: self.changed}

    async def changed(self, event: Incoming[BondChanged]) -> None:
        """Count a follow or a request that began or ended."""
        bond, version = event.message, _version(event)
        changed: list[Edge] = []
        for actor_id, other_id, before, now in (
            (bond.low_id, bond.high_id, bond.low_before, bond.low_after),
            (bond.high_id, bond.low_id, bond.high_before, bond.high_after),
        ):
            if before.follow != now.follow:
                present = FollowState(now.follow) is FollowState.FOLLOWING
                changed += [
                    Edge(user_id=user_id, direction=direction, other_id=who, source_version=version, present=present)
                    for user_id, direction, who in ends(actor_id, other_id)
                ]
                asks = FollowState(now.follow) is FollowState.REQUESTED
                if asks or FollowState(before.follow) is FollowState.REQUESTED:
                    asking = Edge(user_id=actor_id, direction=Direction.ASKING, other_id=other_id, source_version=version, present=asks)
                    changed.append(asking)
        await self._edges.count(changed)


class ListedPeople(VersionedRow):
    """Who stands in which list of whom, newest first."""

    name = "graph-lists"
    topics = ("social",)

    def __init__(self, *, lists: ListStore) -> None:
        self._lists = lists
        self.handlers = {BondChanged: self.changed}

    async def changed(self, event: Incoming[BondChanged]) -> None:
        """Move people between lists."""
        bond = event.message
        before = places(bond.low_id, bond.high_id, side_from_proto(bond.low_before), side_from_proto(bond.high_before))
        now = places(bond.low_id, bond.high_id, side_from_proto(bond.low_after), side_from_proto(bond.high_after))
        await self._lists.move(gone=before - now, come=now - before, version=_version(event))


def _version(event: Incoming[BondChanged]) -> int:
    version = event.envelope.key_version
    if version < 1:
        raise Rejected("EVENT_WITHOUT_VERSION", "a bond without a version")
    return version
