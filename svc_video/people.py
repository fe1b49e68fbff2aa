"""What stands between a viewer and creators, as far as it decides what may be seen: asked of social with every request, and never guessed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from clipmesh.social.v1 import graph_service_pb2 as pb
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub

from svc_video.viewers import Viewer

MOST_ASKED: Final = 200
"""People of one question (social.v1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A viewer's relation to one creator."""

    parted: bool = False
    """Either blocks the other."""
    follows: bool = False
    """The viewer follows the creator."""
    followed_by: bool = False
    """The creator follows the viewer."""

    @property
    def friends(self) -> bool:
        """Each follows the other."""
        return self.follows and self.followed_by


STRANGER: Final = Relation()
"""Of two people who have nothing to do with one another, and of whoever is not signed in."""
_UNKNOWN: Final = Relation(parted=True)
"""Of people whom social left out of its answer: nobody knows that they may meet."""


class People:
    """Asks social, as the viewer of the request at hand. Without an answer nothing may be shown, so its failure is the caller's."""

    def __init__(self, *, graph: GraphServiceStub) -> None:
        self._graph = graph

    async def relations(self, viewer: Viewer, creator_ids: Collection[int]) -> Mapping[int, Relation]:
        """The viewer's relation to each of these people but themselves; empty for anonymous viewers. One call for each 200. Raises RpcFailed."""
        wanted = [creator_id for creator_id in dict.fromkeys(creator_ids) if creator_id != viewer.user_id]
        found: dict[int, Relation] = dict.fromkeys(wanted, _UNKNOWN) if viewer.user_id else {}
        for start in range(0, len(found), MOST_ASKED):
            request = pb.BatchGetRelationshipsRequest(user_ids=wanted[start : start + MOST_ASKED])
            answer = await self._graph.BatchGetRelationships(request)
            found |= {one.user_id: _relation(one) for one in answer.relationships}
        return found


def _relation(one: pb.Relationship) -> Relation:
    return Relation(
        parted=one.blocks or one.blocked_by,
        follows=one.follow == pb.FOLLOW_STATE_FOLLOWING,
        followed_by=one.followed_by == pb.FOLLOW_STATE_FOLLOWING,
    )
