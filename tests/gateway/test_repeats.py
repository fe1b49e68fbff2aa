"""Request ids of clients reach the services; a change without one gets one of its own, so that the mesh may repeat it."""

from __future__ import annotations

import re
from typing import Any

from clipmesh.video.v1 import video_service_pb2

from mesh.errors import Unavailable
from tests.gateway.world import World, token

PROFILE = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
VIDEO = "mutation($input: UpdateVideoInput!) { updateVideo(input: $input) { video { id } userErrors { code } } }"


async def test_a_clients_request_id_is_passed_on_and_a_missing_one_is_made(world: World) -> None:
    (video_id,) = world.fakes.fill(1)

    async def updated(request: Any) -> Any:
        return video_service_pb2.UpdateVideoResponse(video=world.fakes.videos[request.video_id])

    world.fakes.answers["UpdateVideo"] = updated
    for query, method, words in ((PROFILE, "UpdateProfile", {"bio": "x"}), (VIDEO, "UpdateVideo", {"videoId": str(video_id)})):
        assert "errors" not in await world.ask(query, bearer=token(), input={**words, "requestId": "mine"})
        for _ in range(2):
            assert "errors" not in await world.ask(query, bearer=token(), input=words)
        given, *made = [request.request_id for request in world.fakes.requests(method)]
        assert given == "mine"
        assert len(set(made)) == 2
        assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)


async def test_a_change_whose_answer_is_lost_is_repeated_under_its_name(world: World) -> None:
    lost = [Unavailable()]

    async def losing(request: Any) -> Any:
        if lost:
            raise lost.pop()
        return video_service_pb2.UpdateVideoResponse(video=world.fakes.videos[request.video_id])

    world.fakes.answers["UpdateVideo"] = losing
    video_id = str(world.fakes.fill(1)[0])
    answer = await world.ask(VIDEO, bearer=token(), input={"videoId": video_id})
    assert answer["data"]["updateVideo"] == {"video": {"id": video_id}, "userErrors": []}
    first, second = world.fakes.requests("UpdateVideo")
    assert first == second
