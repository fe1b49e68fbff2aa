"""Acts are durable and idempotent, the last one asked for counts, and a refusal changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, cast

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1 import events_pb2

from mesh.client import RpcFailed
from mesh.ids import decode
from mesh.sealing import KEPT_MS
from mesh.stores.tables.port import Tables, TablesUnavailable
from svc_social.engagement.store import CollectionStore
from svc_social.engagement.tables import Collection
from tests.service.social.engaging import (
    ALICE,
    BOB,
    CARLA,
    COMMENT,
    CREATOR,
    OTHER,
    VIDEO,
    VIEW,
    World,
    fresh_id,
    ids_of,
    keys_on,
    open_engaging,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One instance."""
    async with open_engaging(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ahead(tmp_path: Path) -> AsyncIterator[World]:
    """Two instances, the second with a clock 10 minutes ahead."""
    async with open_engaging(tmp_path, ahead_ms=(0, 600_000)) as opened:
        yield opened


async def messages(world: World) -> list[events_pb2.EngagementChanged]:
    """What consumers hear, by key and in order."""
    return [events_pb2.EngagementChanged.FromString(event.payload) for event in await world.events()]


async def test_an_act_is_seen_at_once_and_counted_when_it_was_folded(world: World) -> None:
    state = await world.like(ALICE)
    assert state == await world.state(ALICE) == pb.ViewerState(video_id=VIDEO, liked=True)
    assert await world.state(BOB) == pb.ViewerState(video_id=VIDEO)
    await world.save(ALICE)
    await world.repost(ALICE)
    await world.share(ALICE)
    await world.share(ALICE)
    await world.like(BOB)
    await world.settle()
    assert await world.state(ALICE) == pb.ViewerState(video_id=VIDEO, liked=True, saved=True, reposted=True)
    assert await world.counters() == pb.Counters(video_id=VIDEO, likes=2, saves=1, shares=2, reposts=1)
    assert await world.counters(OTHER) == pb.Counters(video_id=OTHER)


async def test_what_was_done_is_taken_back(world: World) -> None:
    await world.like(ALICE)
    await world.save(ALICE)
    await world.repost(ALICE)
    assert not (await world.unlike(ALICE)).liked
    assert not (await world.unsave(ALICE)).saved
    undone = await world.stub(ALICE).UndoRepost(pb.UndoRepostRequest(request_id=fresh_id(), video_id=VIDEO))
    assert undone.state == pb.ViewerState(video_id=VIDEO)
    await world.settle()
    assert await world.counters() == pb.Counters(video_id=VIDEO)
    assert await world.liked(ALICE) == await world.saved(ALICE) == []


async def test_an_act_has_one_event_with_what_was_before(world: World) -> None:
    await world.like(ALICE)
    world.clock.advance(1_000)
    await world.unlike(ALICE)
    world.clock.advance(1_000)
    await world.like(ALICE)
    first, second, third = sorted(await messages(world), key=lambda message: message.acted_at_ms)
    assert first == events_pb2.EngagementChanged(
        video_id=VIDEO,
        creator_id=CREATOR,
        user_id=ALICE,
        kind=pb.ENGAGEMENT_KIND_LIKE,
        active=True,
        acted_at_ms=first.acted_at_ms,
        personalisation=True,
        first_acted_at_ms=first.acted_at_ms,
    )
    assert second == events_pb2.EngagementChanged(
        video_id=VIDEO,
        creator_id=CREATOR,
        user_id=ALICE,
        kind=pb.ENGAGEMENT_KIND_LIKE,
        acted_at_ms=first.acted_at_ms + 1_000,
        personalisation=True,
        before=events_pb2.ActBefore(active=True, acted_at_ms=first.acted_at_ms),
        first_acted_at_ms=first.acted_at_ms,
    )
    assert (third.acted_at_ms, third.first_acted_at_ms) == (first.acted_at_ms + 2_000, first.acted_at_ms)
    envelopes = await world.events()
    assert {event.key for event in envelopes} == {f"{VIDEO}:{ALICE}:1"}
    assert [decode(event.key_version).at_ms for event in envelopes] == [first.acted_at_ms, second.acted_at_ms, third.acted_at_ms]
    assert {tuple(event.subject_ids) for event in envelopes} == {(ALICE, CREATOR)}


async def test_a_like_while_liked_changes_nothing_and_tells_nobody(world: World) -> None:
    await world.like(ALICE)
    before = await world.everything()
    assert (await world.like(ALICE)).liked
    after = await world.everything()
    assert {key for key in before if before[key] != after[key]} == {"RequestRecord"}
    await world.unlike(BOB)
    assert (await world.everything())["events"] == before["events"]


async def test_a_repeat_is_the_same_act_whatever_came_between(world: World) -> None:
    await world.like(ALICE, request_id="one")
    assert (await world.like(ALICE, request_id="one")).liked
    await world.like(ALICE, request_id="idle")
    await world.unlike(ALICE, request_id="two")
    before = await world.everything()
    assert not (await world.like(ALICE, request_id="one")).liked
    assert not (await world.like(ALICE, request_id="idle")).liked, "what found nothing to do then does nothing later"
    assert await world.everything() == before
    assert len(before["events"]) == 2


async def test_what_found_nothing_to_do_does_nothing_when_an_act_before_it_arrives_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.like(ALICE)

    async def half(first: Any, *_: Any, **__: Any) -> None:
        await world.tables.insert(first)
        raise TablesUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(world.tables, "put_once", half)
        with pytest.raises(RpcFailed):
            await world.unlike(ALICE, request_id="cut off")
    assert (await world.like(ALICE, request_id="idle")).liked
    assert not (await world.unlike(ALICE, request_id="cut off")).liked
    assert not (await world.like(ALICE, request_id="idle")).liked
    await world.settle()
    assert (await world.counters()).likes == 0


async def test_a_clock_that_is_behind_loses_no_act(ahead: World) -> None:
    await ahead.like(ALICE, at=1)
    assert not (await ahead.unlike(ALICE, at=0)).liked
    assert (await ahead.like(ALICE, at=0)).liked
    assert not (await ahead.unlike(ALICE, at=1)).liked
    assert (await ahead.like(ALICE, at=0)).liked
    await ahead.settle()
    assert (await ahead.counters()).likes == 1
    assert await ahead.liked(ALICE) == [VIDEO]


async def test_each_share_counts_once_for_its_request(world: World) -> None:
    share_id = await world.share(ALICE, request_id="one", target=pb.SHARE_TARGET_MESSAGE)
    assert await world.share(ALICE, request_id="one", target=pb.SHARE_TARGET_MESSAGE) == share_id
    assert await world.share(ALICE, request_id="two") != share_id
    events = await messages(world)
    assert sorted((event.share_id == share_id, event.share_target) for event in events) == [
        (False, pb.SHARE_TARGET_LINK),
        (True, pb.SHARE_TARGET_MESSAGE),
    ]
    await world.settle()
    assert (await world.counters()).shares == 2


def _permits(world: World) -> dict[str, permit_pb2.SignedPermit]:
    forged = world.permit(ALICE)
    forged.signature = bytes(64)
    late = world.permit(ALICE)
    return {
        "another person's": world.permit(BOB),
        "of another video": world.permit(ALICE, OTHER),
        "to look and comment": world.permit(ALICE, kinds=[VIEW, COMMENT]),
        "signed by a stranger": world.permit(ALICE, issuer="stranger"),
        "forged": forged,
        "expired": late,
    }


@pytest.mark.parametrize(
    "which", ["another person's", "of another video", "to look and comment", "signed by a stranger", "forged", "expired"]
)
@pytest.mark.parametrize("method", ["Like", "Save", "Share", "Repost"])
async def test_no_act_without_a_permit_of_its_own(world: World, method: str, which: str) -> None:
    permit = _permits(world)[which]
    if which == "expired":
        world.clock.advance(30_000)
    extra: dict[str, Any] = {"target": pb.SHARE_TARGET_LINK} if method == "Share" else {}
    request = getattr(pb, f"{method}Request")(request_id=fresh_id(), video_id=VIDEO, permit=permit, **extra)
    before = await world.everything()
    with pytest.raises(RpcFailed) as refused:
        await getattr(world.stub(ALICE), method)(request)
    assert refused.value.reason == "INVALID_PERMIT"
    assert await world.everything() == before


@pytest.mark.parametrize(
    ("method", "request_type", "fields"),
    [
        ("Like", pb.LikeRequest, {"video_id": 0}),
        ("Like", pb.LikeRequest, {"video_id": VIDEO}),
        ("Like", pb.LikeRequest, {"video_id": VIDEO, "request_id": "x" * 65}),
        ("Unlike", pb.UnlikeRequest, {"video_id": -1}),
        ("Save", pb.SaveRequest, {"video_id": VIDEO, "collection_id": -1}),
        ("Share", pb.ShareRequest, {"video_id": VIDEO, "target": 0}),
        ("Share", pb.ShareRequest, {"video_id": VIDEO, "target": 77}),
        ("CreateCollection", pb.CreateCollectionRequest, {"name": ""}),
        ("CreateCollection", pb.CreateCollectionRequest, {"name": "x" * 51}),
        ("BatchGetCounters", pb.BatchGetCountersRequest, {"video_ids": range(1, 202)}),
        ("BatchGetViewerState", pb.BatchGetViewerStateRequest, {"video_ids": [0]}),
    ],
)
async def test_bad_fields_are_named_and_change_nothing(world: World, method: str, request_type: Any, fields: dict[str, Any]) -> None:
    values = {"request_id": "one"} if "request_id" in request_type.DESCRIPTOR.fields_by_name else {}
    before = await world.everything()
    with pytest.raises(RpcFailed) as refused:
        await getattr(world.stub(ALICE), method)(request_type(**{**values, **fields}))
    assert refused.value.reason == "INVALID_REQUEST"
    assert await world.everything() == before


async def test_a_request_id_is_one_request(world: World) -> None:
    await world.like(ALICE, request_id="one")
    before = await world.everything()
    with pytest.raises(RpcFailed) as refused:
        await world.like(ALICE, OTHER, request_id="one")
    assert refused.value.reason == "REQUEST_ID_REUSED"
    assert await world.everything() == before
    assert (await world.like(BOB, OTHER, request_id="one")).liked, "another person's request ids are their own"


async def test_only_the_gateway_acts_and_only_for_somebody(world: World) -> None:
    request = pb.LikeRequest(request_id="one", video_id=VIDEO, permit=world.permit(ALICE))
    for stub, reason in ((world.stub(ALICE, caller="feed"), "FORBIDDEN"), (world.stub(), "SIGN_IN_REQUIRED")):
        with pytest.raises(RpcFailed) as refused:
            await stub.Like(request)
        assert refused.value.reason == reason
    feed = world.stub(ALICE, caller="feed")
    assert len((await feed.BatchGetCounters(pb.BatchGetCountersRequest(video_ids=[1, 2, 1]))).counters) == 2
    assert not (await world.stub().BatchGetViewerState(pb.BatchGetViewerStateRequest(video_ids=[VIDEO]))).states[0].liked


async def test_collections_hold_what_was_saved_in_them(world: World) -> None:
    dances, cats = await world.collection(ALICE), await world.collection(ALICE, "Cats")
    await world.save(ALICE, VIDEO, collection_id=dances.collection_id)
    world.clock.advance(5)
    await world.save(ALICE, OTHER)
    await world.settle()
    assert await world.saved(ALICE) == [OTHER, VIDEO]
    assert await world.saved(ALICE, dances.collection_id) == [VIDEO]
    world.clock.advance(5)
    await world.save(ALICE, VIDEO, collection_id=cats.collection_id)
    assert await world.saved(ALICE, dances.collection_id) == [], "stale places are dropped before the event arrives"
    await world.settle()
    assert await world.saved(ALICE, cats.collection_id) == [VIDEO]
    assert await world.saved(ALICE, dances.collection_id) == []
    assert await world.saved(ALICE) == [VIDEO, OTHER]
    await world.stub(ALICE).DeleteCollection(pb.DeleteCollectionRequest(collection_id=cats.collection_id))
    assert await world.saved(ALICE) == [VIDEO, OTHER]
    assert (await world.counters(VIDEO)).saves == 1


async def test_collections_are_made_named_deleted_and_listed(world: World) -> None:
    made = await world.collection(ALICE, "  Dances ", request_id="one")
    assert made.name == "Dances"
    assert await world.collection(ALICE, "  Dances ", request_id="one") == made
    rename = pb.RenameCollectionRequest(request_id="two", collection_id=made.collection_id, name="Slow dances")
    renamed = (await world.stub(ALICE).RenameCollection(rename)).collection
    assert (renamed.name, renamed.version) == ("Slow dances", made.version + 1)
    assert (await world.stub(ALICE).RenameCollection(rename)).collection == renamed
    other = await world.collection(ALICE, "Cats")
    first = await world.stub(ALICE).ListCollections(pb.ListCollectionsRequest(page_size=1))
    second = await world.stub(ALICE).ListCollections(pb.ListCollectionsRequest(page_size=1, page_token=first.next_page_token))
    assert ([*first.collections, *second.collections], second.next_page_token) == ([renamed, other], "")
    delete = pb.DeleteCollectionRequest(collection_id=made.collection_id)
    await world.stub(ALICE).DeleteCollection(delete)
    await world.stub(ALICE).DeleteCollection(delete)
    assert [one.name for one in (await world.stub(ALICE).ListCollections(pb.ListCollectionsRequest())).collections] == ["Cats"]
    with pytest.raises(RpcFailed) as late:
        await world.collection(ALICE, "  Dances ", request_id="one")
    assert late.value.reason == "COLLECTION_NOT_FOUND", "a late repeat makes nothing anew"


async def test_deleted_collections_are_not_read_again(world: World) -> None:
    kept = await world.collection(ALICE, "kept")
    for number in range(5):
        gone = await world.collection(ALICE, f"gone {number}")
        await world.stub(ALICE).DeleteCollection(pb.DeleteCollectionRequest(collection_id=gone.collection_id))
    read: list[Collection] = []

    class Watched:
        """Tables that note which collections a scan reads."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.tables, name)

        async def scan(self, row_type: Any, *key: Any, **how: Any) -> Any:
            page = await world.tables.scan(row_type, *key, **how)
            read.extend(page.rows)
            return page

    store = CollectionStore(tables=cast(Tables, Watched()))
    assert [row.collection_id for row in await store.all(ALICE)] == [kept.collection_id]
    assert [row.collection_id for row in read] == [kept.collection_id]
    assert len([row for row in (await world.tables.walk(Collection)).rows if row.collection_id < 0 and not row.name_sealed]) == 5


async def test_an_erased_person_has_no_collections(world: World) -> None:
    made = await world.collection(ALICE)
    await keys_on(world.tables).destroy(ALICE)
    world.instances[0].clock.advance(KEPT_MS)
    assert not (await world.stub(ALICE).ListCollections(pb.ListCollectionsRequest())).collections
    rename = pb.RenameCollectionRequest(request_id=fresh_id(), collection_id=made.collection_id, name="Mine")
    with pytest.raises(RpcFailed) as refused:
        await world.stub(ALICE).RenameCollection(rename)
    assert refused.value.reason == "SIGN_IN_REQUIRED"


async def test_nobody_sees_or_touches_a_collection_of_somebody_else(world: World) -> None:
    made = await world.collection(ALICE)
    gone = await world.collection(ALICE)
    await world.stub(ALICE).DeleteCollection(pb.DeleteCollectionRequest(collection_id=gone.collection_id))
    before = await world.everything()
    for user_id, collection_id in ((BOB, made.collection_id), (ALICE, gone.collection_id), (ALICE, VIDEO)):
        stub = world.stub(user_id)
        save = pb.SaveRequest(request_id=fresh_id(), video_id=VIDEO, permit=world.permit(user_id), collection_id=collection_id)
        calls: list[Awaitable[Any]] = [
            stub.Save(save),
            stub.ListSaved(pb.ListSavedRequest(collection_id=collection_id)),
            stub.RenameCollection(pb.RenameCollectionRequest(request_id=fresh_id(), collection_id=collection_id, name="Mine")),
        ]
        if collection_id != gone.collection_id:
            calls.append(stub.DeleteCollection(pb.DeleteCollectionRequest(collection_id=collection_id)))
        for call in calls:
            with pytest.raises(RpcFailed) as refused:
                await call
            assert refused.value.reason == "COLLECTION_NOT_FOUND"
    assert await world.everything() == before


async def test_a_name_has_something_visible_and_turns_no_text_around(world: World) -> None:
    before = await world.everything()
    for name in ("   ", "a\u202eb", "a\x00b", "\u200b", "e" + "\u0301" * 9):
        with pytest.raises(RpcFailed) as refused:
            await world.collection(ALICE, name)
        assert refused.value.reason == "INVALID_TEXT"
    assert await world.everything() == before
    assert (await world.collection(ALICE, "'; DROP TABLE acts; --")).name == "'; DROP TABLE acts; --"


async def test_a_person_has_at_most_two_hundred_collections(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svc_social.engagement.actions.collecting.MOST_COLLECTIONS", 2)
    first = await world.collection(ALICE, "one")
    await world.collection(ALICE, "two")
    with pytest.raises(RpcFailed) as refused:
        await world.collection(ALICE, "three")
    assert refused.value.reason == "TOO_MANY_COLLECTIONS"
    await world.collection(BOB, "one")
    await world.stub(ALICE).DeleteCollection(pb.DeleteCollectionRequest(collection_id=first.collection_id))
    assert (await world.collection(ALICE, "three")).name == "three"


async def test_lists_are_newest_first_over_months_and_pages(world: World) -> None:
    videos = [VIDEO + number for number in range(7)]
    for video_id in videos:
        await world.like(ALICE, video_id)
        world.clock.advance(11 * 86_400_000)
    await world.unlike(ALICE, videos[3])
    await world.settle()
    newest_first = [video_id for video_id in reversed(videos) if video_id != videos[3]]
    assert await world.liked(ALICE) == newest_first
    assert await world.liked(BOB) == []
    found, token = [], ""
    for _ in range(10):
        page = await world.stub(ALICE).ListLiked(pb.ListLikedRequest(page_size=2, page_token=token))
        found += ids_of(page.videos)
        token = page.next_page_token
        if not token:
            break
    assert found == newest_first
    before = await world.stub(ALICE).ListLiked(pb.ListLikedRequest(page_size=2))
    with pytest.raises(RpcFailed) as refused:
        await world.stub(BOB).ListLiked(pb.ListLikedRequest(page_token=before.next_page_token))
    assert refused.value.reason == "INVALID_PAGE_TOKEN"


async def test_a_list_shows_no_act_that_was_taken_back_before_its_event_arrives(world: World) -> None:
    await world.like(ALICE)
    await world.like(ALICE, OTHER)
    await world.settle()
    await world.unlike(ALICE)
    assert await world.liked(ALICE) == [OTHER]


async def test_reposts_are_public_unless_the_account_is_private(world: World) -> None:
    await world.person(ALICE)
    await world.person(BOB, is_private=True)
    for user_id in (ALICE, BOB):
        await world.repost(user_id)
    await world.settle()

    async def seen(user_id: int, by: int) -> list[int]:
        return ids_of((await world.stub(by).ListReposts(pb.ListRepostsRequest(user_id=user_id))).videos)

    assert await seen(ALICE, CARLA) == await seen(ALICE, 0) == await seen(BOB, BOB) == [VIDEO]
    for user_id, by in ((BOB, ALICE), (BOB, 0), (CARLA, ALICE)):
        with pytest.raises(RpcFailed) as refused:
            await seen(user_id, by)
        assert refused.value.reason == "PROFILE_NOT_FOUND"
