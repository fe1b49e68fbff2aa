"""Bonds between rows and protos."""

from __future__ import annotations

from clipmesh.social.v1 import events_pb2, graph_service_pb2

from svc_social.graph.rules import Place, Relation, Side, sides
from svc_social.graph.tables import Bond, FollowState


def relation_to_proto(relation: Relation, *, tells_blocked_by: bool) -> graph_service_pb2.Relationship:
    """What a viewer may know; whether the person blocks the viewer only where services decide about it."""
    return graph_service_pb2.Relationship(
        user_id=relation.user_id,
        follow=follow_to_proto(relation.mine.follow),
        followed_by=follow_to_proto(relation.theirs.follow),
        blocks=relation.mine.blocks,
        mutes=relation.mine.mutes,
        blocked_by=tells_blocked_by and relation.theirs.blocks,
    )


def follow_to_proto(state: FollowState) -> graph_service_pb2.FollowState.ValueType:
    """The numbers are the same."""
    return graph_service_pb2.FollowState.ValueType(state)


def place_to_proto(place: Place) -> graph_service_pb2.ListedPerson:
    """One person of a list."""
    return graph_service_pb2.ListedPerson(user_id=place.other_id, since_ms=place.since_ms)


def bond_changed(before: Bond, now: Bond) -> events_pb2.BondChanged:
    """What the world is told of an act."""
    (low_before, high_before), (low, high) = sides(before), sides(now)
    return events_pb2.BondChanged(
        low_id=now.low_id,
        high_id=now.high_id,
        low_before=_side_to_proto(low_before),
        low_after=_side_to_proto(low),
        high_before=_side_to_proto(high_before),
        high_after=_side_to_proto(high),
    )


def side_from_proto(side: events_pb2.BondSide) -> Side:
    """What one person does to another."""
    return Side(
        follow=FollowState(side.follow),
        follow_since_ms=side.follow_since_ms,
        blocks_since_ms=side.blocks_since_ms,
        mutes_since_ms=side.mutes_since_ms,
    )


def _side_to_proto(side: Side) -> events_pb2.BondSide:
    return events_pb2.BondSide(
        follow=follow_to_proto(side.follow),
        follow_since_ms=side.follow_since_ms,
        blocks_since_ms=side.blocks_since_ms,
        mutes_since_ms=side.mutes_since_ms,
    )
