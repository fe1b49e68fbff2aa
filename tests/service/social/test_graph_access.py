"""Who may call what of GraphService: services by name, people signed in, and nobody for another."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import graph_service_pb2 as pb

from mesh.errors import NotFound, PermissionDenied, Unauthenticated
from mesh.testing.rpc import SERVICES
from svc_social.graph.tables import Bond
from tests.service.social.graph_world import ACTS, act, graph, people, relation
from tests.service.social.world import World

METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["GraphService"].methods]
FOR_ANYONE = {"ListFollowers", "ListFollowing", "BatchGetGraphCounts"}
SERVICES_THAT_ASK = {"BatchGetRelationships": {"feed", "video"}, "BatchGetGraphCounts": {"video"}}


def request(name: str, user_id: int) -> Any:
    """A request that would be answered."""
    kind = getattr(pb, f"{name}Request")
    fields: dict[str, Any] = {}
    if "user_id" in kind.DESCRIPTOR.fields_by_name:
        fields["user_id"] = user_id
    if "user_ids" in kind.DESCRIPTOR.fields_by_name:
        fields["user_ids"] = [user_id]
    if "request_id" in kind.DESCRIPTOR.fields_by_name:
        fields["request_id"] = "one"
    return kind(**fields)


@pytest.mark.parametrize("name", METHODS)
async def test_services_that_are_not_listed_are_refused(world: World, name: str) -> None:
    anna, ben = await people(world, 2)
    listed = {"gateway"} | SERVICES_THAT_ASK.get(name, set())
    for caller in set(SERVICES) - listed:
        with pytest.raises(PermissionDenied):
            await getattr(graph(world, anna, caller=caller), name)(request(name, ben))
    assert await world.rows(Bond) == []


@pytest.mark.parametrize("name", METHODS)
async def test_who_is_not_signed_in_may_only_look_at_what_is_public(world: World, name: str) -> None:
    _, ben = await people(world, 2)
    call = getattr(graph(world), name)(request(name, ben))
    if name in FOR_ANYONE:
        await call
    else:
        with pytest.raises(Unauthenticated):
            await call
    assert await world.rows(Bond) == []


@pytest.mark.parametrize("name", ACTS)
async def test_an_act_is_the_viewers_and_touches_no_other_pair(world: World, name: str) -> None:
    anna, ben, carl = await people(world, 3)
    await act(world, "Follow", anna, ben)
    await act(world, "Follow", ben, anna)
    before = [await relation(world, one, other) for one, other in ((carl, ben), (ben, carl), (anna, carl))]
    # Every role acts for itself alone.
    stub = graph(world, carl, roles=[viewer_pb2.ROLE_ADMIN, viewer_pb2.ROLE_MODERATOR])
    with suppress(NotFound):
        await getattr(stub, name)(request(name, anna))
    assert (await relation(world, anna, ben)).follow == (await relation(world, ben, anna)).follow == pb.FOLLOW_STATE_FOLLOWING
    after = [await relation(world, one, other) for one, other in ((carl, ben), (ben, carl), (anna, carl))]
    assert after[:2] == before[:2]
