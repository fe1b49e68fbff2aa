"""Engagement through the gateway: permits fetched in the same mutation, batched fields, typed refusals, counts as they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.video.v1 import video_service_pb2 as videos

from mesh.errors import InvalidPermit, NotFound, Unavailable
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from tests.gateway.engaging import COLLECTION_ID, SHARE_ID
from tests.gateway.fakes import Fakes, serve_fakes, snowflake
from tests.gateway.world import World, edge, token

VIEWER = 7
VIDEO = snowflake("video", 1)
PAGE = """query { forYou(first: 20) { edges { node {
  likeCount saveCount shareCount repostCount countsApproximate viewerState { liked saved reposted } } } } }"""
STATE = "{ videoId viewerState { liked saved reposted } userErrors { code retryable } }"


class CollectionNotFound(NotFound):
    """The viewer has no such collection."""

    reason = "COLLECTION_NOT_FOUND"


def mutation(name: str) -> str:
    return f"mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {STATE} }}"


async def test_a_page_of_20_videos_costs_one_call_for_counts_and_one_for_the_viewer(world: World) -> None:
    world.fakes.fill(20)
    body = await world.ask(PAGE, bearer=token(VIEWER))
    nodes = [edge["node"] for edge in body["data"]["forYou"]["edges"]]
    assert (
        nodes
        == [
            {
                "likeCount": str(2**40),
                "saveCount": "3",
                "shareCount": "4",
                "repostCount": "5",
                "countsApproximate": False,
                "viewerState": {"liked": True, "saved": False, "reposted": False},
            }
        ]
        * 20
    )
    counted = world.fakes.counted
    assert (counted["social.BatchGetCounters"], counted["social.BatchGetViewerState"]) == (1, 1)


async def test_who_is_not_signed_in_has_no_state_and_nobody_is_asked(world: World) -> None:
    world.fakes.fill(2)
    body = await world.ask(PAGE)
    assert [edge["node"]["viewerState"] for edge in body["data"]["forYou"]["edges"]] == [None, None]
    assert world.fakes.counted["social.BatchGetViewerState"] == 0
    assert "degraded" not in body.get("extensions", {})


async def test_without_social_the_page_stays_and_says_what_is_missing(world: World) -> None:
    world.fakes.fill(2)

    async def away(_: Any) -> Any:
        raise Unavailable("social is away")

    world.fakes.answers |= {"BatchGetCounters": away, "BatchGetViewerState": away}
    body = await world.ask(PAGE, bearer=token(VIEWER))
    assert "errors" not in body
    assert body["extensions"]["degraded"] == ["social"]
    assert [set(edge["node"].values()) for edge in body["data"]["forYou"]["edges"]] == [{None}, {None}]


@pytest.mark.parametrize(
    ("name", "method", "state"),
    [("like", "Like", "liked"), ("save", "Save", "saved"), ("repost", "Repost", "reposted")],
)
async def test_an_act_fetches_its_permit_and_tells_how_things_stand(world: World, name: str, method: str, state: str) -> None:
    world.fakes.fill(1)
    body = await world.ask(mutation(name), bearer=token(VIEWER), input={"videoId": str(VIDEO), "requestId": "one"})
    expected = {"liked": False, "saved": False, "reposted": False} | {state: True}
    assert body["data"][name] == {"videoId": str(VIDEO), "viewerState": expected, "userErrors": []}
    (request,) = world.fakes.requests(method)
    assert (request.request_id, request.video_id) == ("one", VIDEO)
    assert permit_pb2.Permit.FromString(request.permit.permit) == permit_pb2.Permit(subject_id=VIDEO, viewer_id=VIEWER)
    assert world.fakes.counted == {"video.BatchIssuePermits": 1, f"social.{method}": 1}


@pytest.mark.parametrize(("name", "method"), [("unlike", "Unlike"), ("unsave", "Unsave"), ("undoRepost", "UndoRepost")])
async def test_taking_back_asks_for_no_permit(world: World, name: str, method: str) -> None:
    body = await world.ask(mutation(name), bearer=token(VIEWER), input={"videoId": str(VIDEO)})
    assert body["data"][name]["userErrors"] == []
    assert world.fakes.counted == {f"social.{method}": 1}


async def test_a_share_is_answered_with_its_id(world: World) -> None:
    world.fakes.fill(1)
    query = "mutation($input: ShareInput!) { share(input: $input) { shareId userErrors { code } } }"
    body = await world.ask(query, bearer=token(VIEWER), input={"videoId": str(VIDEO), "target": "OTHER_APP"})
    assert body["data"]["share"] == {"shareId": str(SHARE_ID), "userErrors": []}
    (request,) = world.fakes.requests("Share")
    assert request.target == pb.SHARE_TARGET_OTHER_APP


async def test_a_video_that_cannot_be_seen_is_not_there(world: World) -> None:
    body = await world.ask(mutation("like"), bearer=token(VIEWER), input={"videoId": str(VIDEO)})
    assert body["data"]["like"] == {
        "videoId": str(VIDEO),
        "viewerState": None,
        "userErrors": [{"code": "VIDEO_NOT_FOUND", "retryable": False}],
    }
    assert world.fakes.requests("Like") == []


async def test_a_permit_to_look_and_no_more_is_an_outcome(world: World) -> None:
    world.fakes.fill(1)

    async def refuse(_: Any) -> Any:
        raise InvalidPermit

    world.fakes.answers["Like"] = refuse
    body = await world.ask(mutation("like"), bearer=token(VIEWER), input={"videoId": str(VIDEO)})
    assert "errors" not in body
    assert body["data"]["like"]["userErrors"] == [{"code": "INVALID_PERMIT", "retryable": False}]


@pytest.mark.parametrize("name", ["like", "unlike", "repost", "undoRepost", "unsave"])
async def test_nobody_acts_for_nobody(world: World, name: str) -> None:
    world.fakes.fill(1)

    async def refuse(_: Any) -> Any:
        from mesh.errors import SignInRequired  # noqa: PLC0415 - as social's interceptor answers

        raise SignInRequired

    world.fakes.answers |= {"Unlike": refuse, "Unsave": refuse, "UndoRepost": refuse}
    body = await world.ask(mutation(name), input={"videoId": str(VIDEO)})
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert world.fakes.requests("Like") == world.fakes.requests("Repost") == []


async def test_collections_and_lists(world: World) -> None:
    ids = world.fakes.fill(3)
    bearer = token(VIEWER)
    collection = "{ collection { id name } userErrors { code } }"
    created = await world.ask(
        f"mutation($input: CreateCollectionInput!) {{ createCollection(input: $input) {collection} }}",
        bearer=bearer,
        input={"name": "Dances"},
    )
    assert created["data"]["createCollection"] == {"collection": {"id": str(COLLECTION_ID), "name": "Dances"}, "userErrors": []}
    renamed = await world.ask(
        f"mutation($input: RenameCollectionInput!) {{ renameCollection(input: $input) {collection} }}",
        bearer=bearer,
        input={"collectionId": str(COLLECTION_ID), "name": "Cats"},
    )
    assert renamed["data"]["renameCollection"]["collection"]["name"] == "Cats"
    deleted = await world.ask(
        "mutation($input: DeleteCollectionInput!) { deleteCollection(input: $input) { deletedCollectionId } }",
        bearer=bearer,
        input={"collectionId": str(COLLECTION_ID)},
    )
    assert deleted["data"]["deleteCollection"]["deletedCollectionId"] == str(COLLECTION_ID)
    page = "{ edges { cursor videoId actedAt node { id caption } } pageInfo { hasNextPage endCursor } }"
    query = f"query($after: String) {{ savedVideos(first: 2, after: $after) {page} likedVideos {page} collections {{ edges {{ node {{ name }} }} }} }}"
    first = (await world.ask(query, bearer=bearer))["data"]
    assert [edge["videoId"] for edge in first["likedVideos"]["edges"]] == [str(one) for one in ids]
    assert first["savedVideos"]["pageInfo"]["hasNextPage"]
    second = (await world.ask(query, bearer=bearer, after=first["savedVideos"]["pageInfo"]["endCursor"]))["data"]
    saved = [edge["node"]["caption"] for answer in (first, second) for edge in answer["savedVideos"]["edges"]]
    assert saved == ["clip 1", "clip 2", "clip 3"]
    assert first["collections"]["edges"] == [{"node": {"name": "Dances"}}]


async def test_a_collection_of_somebody_else_is_not_found(world: World) -> None:
    async def refuse(_: Any) -> Any:
        raise CollectionNotFound

    world.fakes.answers["ListSaved"] = refuse
    body = await world.ask('query { savedVideos(collectionId: "5") { edges { videoId } } }', bearer=token(VIEWER))
    assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_reposts_of_a_person_and_none_where_they_may_not_be_seen(world: World) -> None:
    ids = world.fakes.fill(2)
    query = "query($id: ID!) { user(id: $id) { reposts { edges { videoId node { caption } } } } }"
    body = await world.ask(query, id=str(snowflake("social", 1)))
    assert [edge["videoId"] for edge in body["data"]["user"]["reposts"]["edges"]] == [str(one) for one in ids]

    async def refuse(_: Any) -> Any:
        raise NotFound

    world.fakes.answers["ListReposts"] = refuse
    body = await world.ask(query, id=str(snowflake("social", 1)))
    assert body == {"data": {"user": {"reposts": None}}}


async def test_reposts_of_what_the_reader_may_not_see_are_named_to_the_person_alone(world: World) -> None:
    ids = world.fakes.fill(3)
    person = snowflake("social", 1)
    hidden = world.fakes.videos.pop(ids[1])

    async def reposts(request: Any) -> Any:
        first = int(request.page_token or 0)
        listed = [pb.EngagedVideo(video_id=one, acted_at_ms=1) for one in ids[first : first + request.page_size]]
        more = first + request.page_size < len(ids)
        return pb.ListRepostsResponse(videos=listed, next_page_token=str(first + request.page_size) if more else "")

    world.fakes.answers["ListReposts"] = reposts
    query = """query($id: ID!, $first: Int!, $after: String) { user(id: $id) { reposts(first: $first, after: $after) {
      edges { videoId node { caption } } pageInfo { hasNextPage endCursor } } } }"""
    body = await world.ask(query, id=str(person), first=3, bearer=token(VIEWER))
    assert [one["videoId"] for one in body["data"]["user"]["reposts"]["edges"]] == [str(ids[0]), str(ids[2])]
    assert str(hidden.video_id) not in str(body)
    mine = await world.ask(query, id=str(person), first=3, bearer=token(person))
    assert [(one["videoId"], one["node"] is None) for one in mine["data"]["user"]["reposts"]["edges"]] == [
        (str(ids[0]), False),
        (str(ids[1]), True),
        (str(ids[2]), False),
    ]
    # A page of which nothing is shown goes on where the list does.
    found, after = [], None
    for _ in range(3):
        page = (await world.ask(query, id=str(person), first=1, after=after, bearer=token(VIEWER)))["data"]["user"]["reposts"]
        found.append([one["videoId"] for one in page["edges"]])
        after = page["pageInfo"]["endCursor"]
    assert (found, page["pageInfo"]["hasNextPage"]) == ([[str(ids[0])], [], [str(ids[2])]], False)

    async def away(_: Any) -> Any:
        raise Unavailable("video is away")

    world.fakes.answers["BatchGetVideos"] = away
    body = await world.ask(query, id=str(person), first=3, bearer=token(VIEWER))
    assert (body["data"]["user"]["reposts"]["edges"], body["extensions"]["degraded"]) == ([], ["video"])


async def test_an_empty_page_goes_on_where_the_service_says(world: World) -> None:
    world.fakes.fill(1)

    async def nothing(request: Any) -> Any:
        return pb.ListLikedResponse(next_page_token="" if request.page_token else "more")

    async def no_videos(request: Any) -> Any:
        return videos.ListCreatorVideosResponse(next_page_token="" if request.page_token else "more")

    world.fakes.answers |= {"ListLiked": nothing, "ListCreatorVideos": no_videos}
    page = "edges { cursor } pageInfo { hasNextPage endCursor }"
    query = f"query($id: ID!, $after: String) {{ likedVideos(after: $after) {{ {page} }} user(id: $id) {{ videos(after: $after) {{ {page} }} }} }}"
    asked: dict[str, Any] = {"id": str(snowflake("social", 1)), "bearer": token(VIEWER)}
    data = (await world.ask(query, **asked))["data"]
    liked, made = data["likedVideos"]["pageInfo"], data["user"]["videos"]["pageInfo"]
    assert liked == made
    assert liked["hasNextPage"]
    data = (await world.ask(query, after=liked["endCursor"], **asked))["data"]
    assert data["likedVideos"] == data["user"]["videos"] == {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    for method in ("ListLiked", "ListCreatorVideos"):
        assert [request.page_token for request in world.fakes.requests(method)] == ["", "more"]


async def test_counts_end_when_the_video_is_no_longer_there_for_the_viewer(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.schema.counters.CALM_S", 0.01)
    monkeypatch.setattr("gateway.schema.counters.LOOK_AGAIN_S", 0.05)
    fakes = Fakes()
    fakes.fill(1)
    query = "subscription($id: ID!) { videoCounters(videoId: $id) { likeCount } }"
    async with (
        serve_fakes(fakes) as addresses,
        edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as world,
        world.socket() as socket,
    ):
        await socket.subscribe("c", query, id=str(VIDEO))
        assert (await socket.next())["payload"]["data"]["videoCounters"] == {"likeCount": str(2**40)}
        del fakes.videos[VIDEO]
        ended = await socket.next()
        errors = ended["payload"] if ended["type"] == "error" else ended["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "NOT_FOUND"


async def test_counts_are_followed_as_they_change(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.schema.counters.CALM_S", 0.01)
    fakes = Fakes()
    fakes.fill(1)
    counters = pb.Counters(video_id=VIDEO, likes=1)

    async def answer(_: Any) -> Any:
        return pb.BatchGetCountersResponse(counters=[counters])

    fakes.answers["BatchGetCounters"] = answer
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    query = "subscription($id: ID!) { videoCounters(videoId: $id) { videoId likeCount approximate } }"
    async with (
        serve_fakes(fakes) as addresses,
        edge(fakes, addresses, redis=redis_server.url, blobs=tmp_path) as world,
        world.socket() as socket,
    ):
        await socket.subscribe("c", query, id=str(VIDEO))
        first = (await socket.next())["payload"]["data"]["videoCounters"]
        assert first == {"videoId": str(VIDEO), "likeCount": "1", "approximate": False}
        counters = pb.Counters(video_id=VIDEO, likes=2, approximate=True)
        await stream.publish_hint("social.counters", str(VIDEO), 2)
        second = (await socket.next())["payload"]["data"]["videoCounters"]
        assert (second["likeCount"], second["approximate"]) == ("2", True)
        await socket.subscribe("d", query, id=str(snowflake("video", 9)))
        refused = await socket.next()
        errors = refused["payload"] if refused["type"] == "error" else refused["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "NOT_FOUND"
    await stream.close()
    await redis.close()
