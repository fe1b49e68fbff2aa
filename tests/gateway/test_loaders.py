"""Fetching: one call a service and page, and what one dead service takes along."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from clipmesh.feed.v1.feed_service_pb2 import GetForYouRequest

from gateway.schema.root import ENTITIES
from gateway.schema.sounds import Sound
from gateway.schema.users import User
from gateway.schema.videos import Video
from mesh.errors import MalformedRequest, MeshError, NotFound, ResourceExhausted, Unauthenticated, Unavailable
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.world import World, token

PAGE = """query($first: Int!) { forYou(first: $first) { edges { viewToken node {
  id caption viewCount creator { handle } sound { id } playback { mp4Url } } } pageInfo { hasNextPage } } }"""


async def test_a_page_of_20_videos_costs_one_call_of_each_kind(world: World) -> None:
    world.fakes.fill(30)
    body = await world.ask(PAGE, first=20)
    assert "errors" not in body
    nodes = [edge["node"] for edge in body["data"]["forYou"]["edges"]]
    assert [node["caption"] for node in nodes] == [f"clip {number}" for number in range(1, 21)]
    assert [node["creator"]["handle"] for node in nodes] == [f"person{number}" for number in range(1, 21)]
    assert {node["viewCount"] for node in nodes} == {"7"}
    assert all(node["sound"] and node["playback"]["mp4Url"] for node in nodes)
    assert world.fakes.counted == {
        "feed.GetForYou": 1,
        "feed.BatchGetViewCounts": 1,
        "video.BatchGetVideos": 1,
        "video.BatchGetPlayback": 1,
        "social.BatchGetProfiles": 1,
        "sound.BatchGetSounds": 1,
    }


async def test_a_page_carries_what_the_next_three_clips_begin_with_at_the_level_they_start_at(world: World) -> None:
    ids = world.fakes.fill(3)
    query = """query { forYou(first: 3) { edges { node { playback {
      startLevel startPlaylistUrl mp4Url storyboardUrl waveformUrl posterUrl } } } } }"""
    body = await world.ask(query)
    assert [edge["node"]["playback"] for edge in body["data"]["forYou"]["edges"]] == [
        {
            "startLevel": 720,
            "startPlaylistUrl": f"/m/g/{one}/720p.m3u8",
            "mp4Url": f"/m/g/{one}/720p.mp4",
            "storyboardUrl": f"/m/i/{one}/storyboard.vtt",
            "waveformUrl": None,
            "posterUrl": None,
        }
        for one in ids
    ]
    assert world.fakes.counted["video.BatchGetPlayback"] == 1


async def test_a_creator_of_many_clips_is_fetched_once(world: World) -> None:
    ids = world.fakes.fill(3)
    for video_id in ids:
        world.fakes.videos[video_id].creator_id = snowflake("social", 1)
    await world.ask(PAGE, first=3)
    (request,) = world.fakes.requests("BatchGetProfiles")
    assert list(request.user_ids) == [snowflake("social", 1)]


async def test_the_sounds_creators_cost_one_more_call_and_no_more(world: World) -> None:
    ids = world.fakes.fill(4)
    query = "query($ids: [ID!]!) { videos(ids: $ids) { sound { creator { handle } sourceVideo { id } } } }"
    body = await world.ask(query, ids=[str(one) for one in ids])
    assert [video["sound"]["creator"]["handle"] for video in body["data"]["videos"]] == ["person1", "person2", "person3", "person4"]
    assert world.fakes.counted == {"video.BatchGetVideos": 1, "sound.BatchGetSounds": 1, "social.BatchGetProfiles": 1}


async def test_playback_is_asked_for_at_most_50_at_a_time(world: World) -> None:
    world.fakes.fill(60)
    owner = snowflake("social", 1)
    for video in world.fakes.videos.values():
        video.creator_id = owner
    query = "query($id: ID!) { user(id: $id) { videos(first: 60) { edges { node { playback { mp4Url } } } } } }"
    body = await world.ask(query, id=str(owner))
    assert len(body["data"]["user"]["videos"]["edges"]) == 60
    assert sorted(len(request.video_ids) for request in world.fakes.requests("BatchGetPlayback")) == [10, 50]
    assert world.fakes.counted["video.BatchGetVideos"] == 0


async def test_what_is_gone_is_topped_up_from_the_reserve(world: World) -> None:
    ids = world.fakes.fill(8)
    page = await world.fakes.get_for_you(GetForYouRequest(page_size=5))

    async def outdated(_: object) -> object:
        return page

    world.fakes.answers["GetForYou"] = outdated
    del world.fakes.videos[ids[1]]
    body = await world.ask(PAGE, first=5)
    assert [edge["node"]["caption"] for edge in body["data"]["forYou"]["edges"]] == [f"clip {number}" for number in (1, 3, 4, 5, 6)]


DEAD: dict[str, tuple[str, Any]] = {
    "social": ("creator", None),
    "sound": ("sound", None),
}


@pytest.mark.parametrize("service", DEAD)
async def test_a_dead_service_nulls_its_fields_and_nothing_else(opened: Opening, fakes: Fakes, service: str) -> None:
    fakes.fill(3)
    async with opened() as world:
        await fakes.servers[service].server.stop(drain_wait_ms=0, grace_ms=0)
        body = await world.ask(PAGE, first=3)
    assert "errors" not in body
    assert body["extensions"] == {"degraded": [service]}
    field, value = DEAD[service]
    nodes = [edge["node"] for edge in body["data"]["forYou"]["edges"]]
    assert [node[field] for node in nodes] == [value] * 3
    others = {"creator", "sound", "playback", "viewCount"} - {field}
    assert all(node[other] is not None for node in nodes for other in others)


async def test_without_feed_a_video_lacks_its_views_and_the_feed_says_unavailable(opened: Opening, fakes: Fakes) -> None:
    (video_id,) = fakes.fill(1)
    async with opened() as world:
        await fakes.servers["feed"].server.stop(drain_wait_ms=0, grace_ms=0)
        body = await world.ask("query($id: ID!) { video(id: $id) { caption viewCount viewToken(surface: LINK) } }", id=str(video_id))
        assert body == {
            "data": {"video": {"caption": "clip 1", "viewCount": None, "viewToken": None}},
            "extensions": {"degraded": ["feed"]},
        }
        body = await world.ask(PAGE, first=3)
        assert body["data"] == {"forYou": None}
        assert body["errors"][0]["extensions"]["code"] == "UNAVAILABLE"


async def test_without_video_people_and_sounds_are_there_and_their_videos_are_not(opened: Opening, fakes: Fakes) -> None:
    fakes.fill(1)
    query = """query($user: ID!, $sound: ID!) { user(id: $user) { handle videos { edges { cursor } } }
      sound(id: $sound) { videoCount sourceVideo { id } videos { edges { cursor } } } }"""
    async with opened() as world:
        await fakes.servers["video"].server.stop(drain_wait_ms=0, grace_ms=0)
        body = await world.ask(query, user=str(snowflake("social", 1)), sound=str(snowflake("sound", 1)))
    assert body == {
        "data": {
            "user": {"handle": "person1", "videos": None},
            "sound": {"videoCount": "1", "sourceVideo": None, "videos": {"edges": []}},
        },
        "extensions": {"degraded": ["video"]},
    }


async def test_a_root_field_that_fails_leaves_the_others(opened: Opening, fakes: Fakes) -> None:
    (video_id,) = fakes.fill(1)
    query = "query($id: ID!) { video(id: $id) { caption } reviewQueue { edges { cursor } } forYou { servedBy } }"
    async with opened() as world:
        for service in ("rights", "feed"):
            await fakes.servers[service].server.stop(drain_wait_ms=0, grace_ms=0)
        body = await world.ask(query, id=str(video_id))
    assert body["data"] == {"video": {"caption": "clip 1"}, "reviewQueue": None, "forYou": None}
    told = {error["path"][0]: error["extensions"]["code"] for error in body["errors"]}
    assert told == {"reviewQueue": "UNAVAILABLE", "forYou": "UNAVAILABLE"}


async def test_without_video_only_lists_of_videos_are_missing(opened: Opening, fakes: Fakes) -> None:
    (video_id,) = fakes.fill(1)
    query = """query($ids: [ID!]!, $nodes: [ID!]!, $sound: ID!) {
      videos(ids: $ids) { id } nodes(ids: $nodes) { id } uploads { edges { cursor } } sound(id: $sound) { id } }"""
    async with opened() as world:
        await fakes.servers["video"].server.stop(drain_wait_ms=0, grace_ms=0)
        sound_id = str(snowflake("sound", 1))
        body = await world.ask(query, ids=[str(video_id)], nodes=["nonsense"], sound=sound_id)
    assert body["data"] == {"videos": None, "nodes": None, "uploads": None, "sound": {"id": sound_id}}
    assert {error["path"][0]: error["extensions"]["code"] for error in body["errors"]} == {
        "videos": "UNAVAILABLE",
        "nodes": "BAD_USER_INPUT",
        "uploads": "UNAVAILABLE",
    }


async def test_what_a_mutation_did_is_told_though_the_next_one_fails(world: World) -> None:
    """Both ran, one after the other: whoever loses the first answer would do it again."""

    async def broken(_: object) -> object:
        raise Unavailable

    world.fakes.answers["DeleteVideo"] = broken
    query = """mutation($id: ID!) { updateProfile(input: {bio: "new"}) { user { bio } userErrors { code } }
      deleteVideo(input: {videoId: $id}) { deletedVideoId } }"""
    body = await world.ask(query, bearer=token(), id=str(snowflake("video", 1)))
    assert body["data"] == {"updateProfile": {"user": {"bio": "new"}, "userErrors": []}, "deleteVideo": None}
    assert [(error["path"], error["extensions"]["code"]) for error in body["errors"]] == [(["deleteVideo"], "UNAVAILABLE")]


@pytest.mark.parametrize("error", [MeshError(), RuntimeError("a bug"), NotFound(), Unauthenticated(), MalformedRequest()])
async def test_a_failure_that_is_no_outage_is_an_error_and_never_called_degraded(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    world.fakes.fill(3)

    async def broken(_: object) -> object:
        raise error

    world.fakes.answers["BatchGetProfiles"] = broken
    with caplog.at_level(logging.ERROR, "clipmesh.gateway"):
        body = await world.ask(PAGE, first=3)
    nodes = [edge["node"] for edge in body["data"]["forYou"]["edges"]]
    assert [(node["creator"], node["sound"] is None) for node in nodes] == [(None, False)] * 3
    assert "extensions" not in body
    expected = "NOT_FOUND" if isinstance(error, NotFound) else "INTERNAL"
    assert [one["extensions"]["code"] for one in body["errors"]] == [expected] * 3
    logged = [record for record in caplog.records if record.name == "clipmesh.gateway"]
    assert len(logged) == (1 if expected == "INTERNAL" else 0)


async def test_a_crowded_service_is_away_for_now(world: World) -> None:
    world.fakes.fill(2)

    async def crowded(_: object) -> object:
        raise ResourceExhausted

    world.fakes.answers["BatchGetProfiles"] = crowded
    body = await world.ask(PAGE, first=2)
    assert "errors" not in body
    assert body["extensions"] == {"degraded": ["social"]}


async def test_without_rights_the_desk_says_unavailable_and_the_feed_goes_on(opened: Opening, fakes: Fakes) -> None:
    fakes.fill(2)
    async with opened() as world:
        await fakes.servers["rights"].server.stop(drain_wait_ms=0, grace_ms=0)
        assert (await world.ask("{ reviewQueue { edges { cursor } } }"))["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        body = await world.ask(PAGE, first=2)
    assert len(body["data"]["forYou"]["edges"]) == 2
    assert "extensions" not in body


async def test_a_service_that_hangs_costs_the_budget_and_its_own_fields_alone(opened: Opening, fakes: Fakes) -> None:
    fakes.fill(2)

    async def never(_: object) -> object:
        return await asyncio.Event().wait()

    fakes.answers["BatchGetSounds"] = never
    async with opened(operation_ms=400) as world:
        body = await world.ask(PAGE, first=2)
    assert body["extensions"] == {"degraded": ["sound"]}
    assert [edge["node"]["creator"]["handle"] for edge in body["data"]["forYou"]["edges"]] == ["person1", "person2"]


@pytest.mark.parametrize(("entity", "service"), [(Video, "video"), (User, "social"), (Sound, "sound")])
async def test_references_of_an_entity_are_resolved_together(world: World, entity: Any, service: str) -> None:
    """What a federation router asks with `_entities`; a key that is none of ours nulls only itself."""
    world.fakes.fill(3)
    assert ENTITIES[entity.__name__] == "id"
    context = world.context()
    info = SimpleNamespace(context=context)
    with context.acting():
        found: list[Any] = await asyncio.gather(
            *(entity.resolve_reference(info, str(snowflake(service, number))) for number in (1, 2, 3)),
            entity.resolve_reference(info, str(snowflake(service, 99))),
            entity.resolve_reference(info, "no id"),
            return_exceptions=True,
        )
    assert [one.id for one in found[:3]] == [str(snowflake(service, number)) for number in (1, 2, 3)]
    assert found[3] is None
    assert isinstance(found[4], Exception)
    assert sum(world.fakes.counted.values()) == 1
