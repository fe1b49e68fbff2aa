"""Following and blocking through GraphQL: what a page asks, what acts answer, and how refusals are told."""

from __future__ import annotations

from typing import Any

import pytest
from clipmesh.social.v1 import graph_service_pb2 as pb

from gateway.clients import GRAPH_ACTS
from mesh.errors import AlreadyExists, FailedPrecondition, NotFound, PermissionDenied, Unavailable
from tests.gateway.fakes import snowflake
from tests.gateway.world import World, token

VIEWER = snowflake("social", 77)
PERSON = snowflake("social", 1)
PAGE = """query { forYou(first: 20) { edges { node { creator {
  handle followerCount followingCount relationship { follow followedBy blocks mutes } } } } } }"""
ACT = """mutation($id: ID!, $request: ID) { %s(input: {userId: $id, requestId: $request}) {
  user { handle relationship { follow blocks } } relationship { follow blocks } userErrors { code field retryable } } }"""
LIST = "edges { cursor userId since node { handle } } pageInfo { hasNextPage endCursor }"


async def test_a_page_of_20_clips_with_creators_and_relationships_asks_once(world: World) -> None:
    world.fakes.fill(20)
    body = await world.ask(PAGE, bearer=token(user_id=VIEWER))
    creators = [edge["node"]["creator"] for edge in body["data"]["forYou"]["edges"]]
    assert [one["handle"] for one in creators] == [f"person{number}" for number in range(1, 21)]
    expected = {"follow": "FOLLOWING", "followedBy": "NONE", "blocks": False, "mutes": True}
    assert all(one["relationship"] == expected for one in creators)
    assert {(one["followerCount"], one["followingCount"]) for one in creators} == {(str(2**40), "5")}
    social = {name: count for name, count in world.fakes.counted.items() if name.startswith("social.")}
    assert social == {"social.BatchGetProfiles": 1, "social.BatchGetRelationships": 1, "social.BatchGetGraphCounts": 1}


async def test_nobody_has_a_relationship_with_themselves_or_without_signing_in(world: World) -> None:
    world.fakes.fill(1)
    query = "query($id: ID!) { user(id: $id) { handle relationship { follow } } }"
    for bearer in ("", token(user_id=PERSON)):
        body = await world.ask(query, id=str(PERSON), bearer=bearer)
        assert body == {"data": {"user": {"handle": "person1", "relationship": None}}}
    assert world.fakes.counted["social.BatchGetRelationships"] == 0


async def test_each_act_of_a_document_answers_what_stands_after_it(world: World) -> None:
    world.fakes.fill(1)
    payload = "{ user { relationship { follow } } relationship { follow } }"
    query = f"mutation($id: ID!) {{ a: unfollow(input: {{userId: $id}}) {payload} b: follow(input: {{userId: $id}}) {payload} }}"

    async def unfollowed(request: Any) -> Any:
        return pb.UnfollowResponse(relationship=pb.Relationship(user_id=request.user_id))

    async def followed(request: Any) -> Any:
        return pb.FollowResponse(relationship=pb.Relationship(user_id=request.user_id, follow=pb.FOLLOW_STATE_FOLLOWING))

    world.fakes.answers |= {"Unfollow": unfollowed, "Follow": followed}
    data = (await world.ask(query, id=str(PERSON), bearer=token(user_id=VIEWER)))["data"]
    none, following = {"follow": "NONE"}, {"follow": "FOLLOWING"}
    assert data == {
        "a": {"user": {"relationship": none}, "relationship": none},
        "b": {"user": {"relationship": following}, "relationship": following},
    }


@pytest.mark.parametrize("name", sorted(GRAPH_ACTS))
async def test_an_act_answers_what_stands_afterwards(world: World, name: str) -> None:
    world.fakes.fill(1)

    async def answer(request: Any) -> Any:
        relationship = pb.Relationship(user_id=request.user_id, follow=pb.FOLLOW_STATE_REQUESTED, blocks=True)
        return getattr(pb, f"{name}Response")(relationship=relationship)

    world.fakes.answers[name] = answer
    field = name[0].lower() + name[1:]
    body = await world.ask(ACT % field, id=str(PERSON), request="r1", bearer=token(user_id=VIEWER))
    after = {"follow": "REQUESTED", "blocks": True}
    # The person's own field says what the act answered, without another question.
    assert body["data"][field] == {"user": {"handle": "person1", "relationship": after}, "relationship": after, "userErrors": []}
    [called] = [one for one in world.fakes.calls if one.method == name]
    assert called.request == getattr(pb, f"{name}Request")(user_id=PERSON, request_id="r1")
    assert called.viewer.user_id == VIEWER
    assert world.fakes.counted["social.BatchGetRelationships"] == 0


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(NotFound, "ACCOUNT_NOT_FOUND"), (FailedPrecondition, "UNBLOCK_FIRST"), (AlreadyExists, "SOMETHING")],
)
async def test_a_refusal_is_a_user_error(world: World, kind: type[Exception], reason: str) -> None:
    async def refuse(_: Any) -> Any:
        error: Any = kind("no")
        error.reason = reason
        raise error

    world.fakes.answers["Follow"] = refuse
    body = await world.ask(ACT % "follow", id=str(PERSON), bearer=token(user_id=VIEWER))
    assert body["data"]["follow"] == {
        "user": None,
        "relationship": None,
        "userErrors": [{"code": reason, "field": None, "retryable": False}],
    }


async def test_lists_are_connections(world: World) -> None:
    world.fakes.fill(5)
    for field, query in (
        ("followers", f"query($id: ID!, $after: String) {{ user(id: $id) {{ followers(first: 2, after: $after) {{ {LIST} }} }} }}"),
        ("following", f"query($id: ID!, $after: String) {{ user(id: $id) {{ following(first: 2, after: $after) {{ {LIST} }} }} }}"),
        ("followRequests", f"query($after: String) {{ followRequests(first: 2, after: $after) {{ {LIST} }} }}"),
        ("blockedUsers", f"query($after: String) {{ blockedUsers(first: 2, after: $after) {{ {LIST} }} }}"),
        ("mutedUsers", f"query($after: String) {{ mutedUsers(first: 2, after: $after) {{ {LIST} }} }}"),
    ):
        found, after = [], None
        variables = {"id": str(PERSON)} if "$id" in query else {}
        while True:
            body = await world.ask(query, **variables, after=after, bearer=token(user_id=VIEWER))
            data = body["data"]["user"] if "user" in body["data"] else body["data"]
            found += [edge["node"]["handle"] for edge in data[field]["edges"]]
            after = data[field]["pageInfo"]["endCursor"]
            if not data[field]["pageInfo"]["hasNextPage"]:
                break
        assert found == [f"person{number}" for number in range(1, 6)], field


async def test_a_page_that_found_nobody_goes_on(world: World) -> None:
    async def nobody(request: Any) -> Any:
        return pb.ListMutedResponse(next_page_token="" if request.page_token else "more")

    world.fakes.answers["ListMuted"] = nobody
    query = f"query($after: String) {{ mutedUsers(after: $after) {{ {LIST} }} }}"
    page = (await world.ask(query, bearer=token(user_id=VIEWER)))["data"]["mutedUsers"]
    assert (page["edges"], page["pageInfo"]["hasNextPage"]) == ([], True)
    page = (await world.ask(query, after=page["pageInfo"]["endCursor"], bearer=token(user_id=VIEWER)))["data"]["mutedUsers"]
    assert page["pageInfo"] == {"hasNextPage": False, "endCursor": None}
    assert [request.page_token for request in world.fakes.requests("ListMuted")] == ["", "more"]


async def test_whoever_is_gone_still_has_a_place_in_a_list(world: World) -> None:
    world.fakes.people[PERSON] = world.fakes.people.get(PERSON) or (world.fakes.fill(1), world.fakes.people[PERSON])[1]

    async def nobody(_: Any) -> Any:
        from clipmesh.social.v1 import profile_service_pb2  # noqa: PLC0415

        return profile_service_pb2.BatchGetProfilesResponse()

    world.fakes.answers["BatchGetProfiles"] = nobody
    body = await world.ask(f"query {{ blockedUsers {{ {LIST} }} }}", bearer=token(user_id=VIEWER))
    [edge] = body["data"]["blockedUsers"]["edges"]
    assert (edge["userId"], edge["node"]) == (str(PERSON), None)


@pytest.mark.parametrize(("kind", "degraded"), [(PermissionDenied, False), (NotFound, False), (Unavailable, True)])
async def test_a_list_that_is_not_for_the_viewer_is_null(world: World, kind: type[Exception], degraded: bool) -> None:
    world.fakes.fill(1)

    async def refuse(_: Any) -> Any:
        raise kind("no")

    world.fakes.answers["ListFollowers"] = refuse
    body = await world.ask("query($id: ID!) { user(id: $id) { handle followers { edges { cursor } } } }", id=str(PERSON))
    assert body["data"] == {"user": {"handle": "person1", "followers": None}}
    assert "errors" not in body
    assert ("extensions" in body) is degraded
