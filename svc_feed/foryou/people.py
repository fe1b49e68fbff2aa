"""What stands between a watcher and creators: asked of social once a page, and never guessed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from clipmesh.social.v1 import graph_service_pb2 as pb
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub

from svc_feed.viewers import Watcher

MOST_ASKED = 200
"""Creators of one question (social.v1)."""


class People(Protocol):
    """Knows who must not be shown to whom."""

    async def barred(self, watcher: Watcher, creator_ids: Iterable[int]) -> frozenset[int]:
        """Those of at most MOST_ASKED creators whom a block parts from the watcher, in either direction, or whom the watcher muted.

        Raises what the call raises: without an answer nothing may be shown.
        """
        ...


class PeopleOfSocial:
    """Asks social, as the viewer of the request at hand."""

    def __init__(self, *, graph: GraphServiceStub) -> None:
        self._graph = graph

    async def barred(self, watcher: Watcher, creator_ids: Iterable[int]) -> frozenset[int]:
        """See People. Nobody is asked about for anonymous watchers."""
        wanted = [creator_id for creator_id in dict.fromkeys(creator_ids) if creator_id != watcher.user_id]
        if not watcher.user_id or not wanted:
            return frozenset()
        answer = await self._graph.BatchGetRelationships(pb.BatchGetRelationshipsRequest(user_ids=wanted))
        known = {one.user_id: one for one in answer.relationships}
        # Whoever the answer leaves out is not known to be harmless.
        return frozenset(
            creator_id for creator_id in wanted if (one := known.get(creator_id)) is None or one.blocks or one.blocked_by or one.mutes
        )
