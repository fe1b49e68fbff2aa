"""Pictures of people through GraphQL: joined in one call, sent and shown in two halves, refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from clipmesh.social.v1 import profile_service_pb2 as profiles
from clipmesh.video.v1 import image_service_pb2 as images

from mesh.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.gateway.fakes import snowflake
from tests.gateway.world import World, token

START = "mutation($input: StartAvatarUploadInput!) { startAvatarUpload(input: $input) { upload { imageId url } userErrors { code retryable } } }"
COMPLETE = """mutation($input: CompleteAvatarInput!) { completeAvatar(input: $input) {
  user { avatar { id small: url(size: 64) url large: url(size: 4000) } } userErrors { code } } }"""
REMOVE = "mutation($input: RemoveAvatarInput!) { removeAvatar(input: $input) { user { avatar { id } } userErrors { code } } }"


class Moves(InvalidArgument):
    """The picture moves."""

    reason = "ANIMATED_IMAGE"


class Over(FailedPrecondition):
    """Its time is over."""

    reason = "IMAGE_NOT_OPEN"


def failing(error: Exception) -> Any:
    async def fail(request: Any) -> Any:
        raise error

    return fail


async def test_faces_of_a_page_cost_one_call(world: World) -> None:
    world.fakes.fill(20)
    for number, person in enumerate(world.fakes.people.values()):
        person.avatar_id = number % 5 + 1 if number else 0
    body = await world.ask("query { forYou(first: 20) { edges { node { creator { handle avatar { id url(size: 100) } } } } } }")
    assert "errors" not in body
    faces = [edge["node"]["creator"]["avatar"] for edge in body["data"]["forYou"]["edges"]]
    assert faces[0] is None
    assert faces[1] == {"id": "2", "url": "/m/p2/128.webp"}
    assert world.fakes.counted["video.BatchGetImages"] == 1
    [asked] = world.fakes.requests("BatchGetImages")
    assert sorted(asked.image_ids) == [1, 2, 3, 4, 5]


async def test_who_shows_none_costs_nothing(world: World) -> None:
    world.fakes.fill(3)
    body = await world.ask("query { forYou(first: 3) { edges { node { creator { avatar { url } } } } } }")
    assert [edge["node"]["creator"]["avatar"] for edge in body["data"]["forYou"]["edges"]] == [None, None, None]
    assert world.fakes.requests("BatchGetImages") == []


async def test_a_face_that_does_not_come_nulls_itself(world: World) -> None:
    world.fakes.fill(1)
    person = world.fakes.people[snowflake("social", 1)]
    person.avatar_id = 4
    world.fakes.answers["BatchGetImages"] = failing(Unavailable("video rests"))
    body = await world.ask("query($id: ID!) { user(id: $id) { handle avatar { url } } }", id=str(person.user_id))
    assert body["data"]["user"] == {"handle": "person1", "avatar": None}
    assert body["extensions"]["degraded"] == ["video"]


async def test_a_picture_is_sent_shown_and_taken_away(world: World) -> None:
    started = await world.ask(START, bearer=token(), input={"requestId": "r", "sizeBytes": "123"})
    assert started["data"]["startAvatarUpload"] == {"upload": {"imageId": "5", "url": "/upload/sent/5?a"}, "userErrors": []}
    assert world.fakes.requests("StartImage") == [images.StartImageRequest(request_id="r", size_bytes=123)]
    shown = await world.ask(COMPLETE, bearer=token(), input={"requestId": "r", "imageId": "5"})
    assert shown["data"]["completeAvatar"] == {
        "user": {"avatar": {"id": "5", "small": "/m/p5/64.webp", "url": "/m/p5/128.webp", "large": "/m/p5/512.webp"}},
        "userErrors": [],
    }
    [told] = world.fakes.requests("SetAvatar")
    assert (told.request_id, told.image_id, told.permit.permit) == ("r", 5, b"p")
    # The picture came with its making.
    assert world.fakes.requests("BatchGetImages") == []
    removed = await world.ask(REMOVE, bearer=token(), input={"requestId": "r"})
    assert removed["data"]["removeAvatar"] == {"user": {"avatar": None}, "userErrors": []}
    assert world.fakes.requests("RemoveAvatar") == [profiles.RemoveAvatarRequest(request_id="r")]


@pytest.mark.parametrize(("method", "error"), [("CompleteImage", Moves()), ("CompleteImage", Over()), ("SetAvatar", Over())])
async def test_refusals_are_told_by_name_and_nothing_is_shown(world: World, method: str, error: Any) -> None:
    world.fakes.answers[method] = failing(error)
    body = await world.ask(COMPLETE, bearer=token(), input={"requestId": "r", "imageId": "5"})
    assert body["data"]["completeAvatar"] == {"user": None, "userErrors": [{"code": error.reason}]}
    assert len(world.fakes.requests("SetAvatar")) == (method == "SetAvatar")
