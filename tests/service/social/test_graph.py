"""Following, blocking and muting through GraphService: what each act does, refuses and tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from clipmesh.social.v1 import graph_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2 as profile_pb
from clipmesh.social.v1.events_pb2 import BondChanged

from mesh.client import RpcFailed
from svc_social.graph.rules import MOST_ASKING, MOST_FOLLOWING
from svc_social.graph.tables import MONTH_MS, Bond, Direction, Edge
from svc_social.identity.tables import Account, AccountState
from tests.service.social.graph_world import (
    FOLLOWING,
    NONE,
    REQUESTED,
    act,
    bond_events,
    catch_up,
    counts,
    deliver,
    graph,
    listed,
    people,
    person,
    refused,
    relation,
)
from tests.service.social.world import World

ABSENT = 10**17


async def test_a_follow_is_seen_from_both_ends_at_once_and_counted_soon(world: World) -> None:
    anna, ben = await people(world, 2)
    assert (await act(world, "Follow", anna, ben)).follow == FOLLOWING
    assert await relation(world, anna, ben) == pb.Relationship(user_id=ben, follow=FOLLOWING)
    assert await relation(world, ben, anna) == pb.Relationship(user_id=anna, followed_by=FOLLOWING)
    await catch_up(world, [anna, ben])
    assert (await counts(world, anna), await counts(world, ben)) == ((0, 1), (1, 0))
    assert (await listed(world, "following", anna), await listed(world, "followers", ben)) == ([ben], [anna])


async def test_following_twice_is_one_follow_and_one_event(world: World) -> None:
    anna, ben = await people(world, 2)
    first = await act(world, "Follow", anna, ben)
    assert await act(world, "Follow", anna, ben) == first
    assert len(await bond_events(world, [anna, ben])) == 1
    await catch_up(world, [anna, ben])
    assert await counts(world, ben) == (1, 0)


async def test_unfollowing_twice_takes_away_one_follow(world: World) -> None:
    anna, ben, carl = await people(world, 3)
    await act(world, "Follow", anna, ben)
    await act(world, "Follow", carl, ben)
    for _ in range(2):
        assert (await act(world, "Unfollow", anna, ben)).follow == NONE
    assert len(await bond_events(world, [anna, ben])) == 2
    await catch_up(world, [anna, ben, carl])
    assert await counts(world, ben) == (1, 0)
    assert await listed(world, "followers", ben) == [carl]


async def test_an_event_says_both_ends_before_and_after(world: World) -> None:
    anna, ben = await people(world, 2)
    at_ms = world.clock.now_ms()
    await act(world, "Follow", anna, ben)
    world.clock.advance(5)
    await act(world, "Block", ben, anna)
    first, second = await bond_events(world, [anna, ben])
    assert [(event.key, event.key_version, list(event.subject_ids)) for event in (first, second)] == [
        (f"{anna}:{ben}", version, [anna, ben]) for version in (1, 2)
    ]
    message = BondChanged.FromString(second.payload)
    assert (message.low_before.follow, message.low_before.follow_since_ms) == (FOLLOWING, at_ms)
    assert (message.low_after.follow, message.low_after.follow_since_ms) == (NONE, 0)
    assert (message.high_before.blocks_since_ms, message.high_after.blocks_since_ms) == (0, at_ms + 5)


async def test_a_private_account_is_asked_and_approves(world: World) -> None:
    anna, ben = await people(world, 2, private=[1])
    assert (await act(world, "Follow", anna, ben)).follow == REQUESTED
    await catch_up(world, [anna, ben])
    assert (await listed(world, "requests", ben), await counts(world, ben)) == ([anna], (0, 0))
    assert (await act(world, "ApproveFollow", ben, anna)).followed_by == FOLLOWING
    # What was asked no longer stands in the list, however far its consumer is.
    assert await listed(world, "requests", ben) == []
    await catch_up(world, [anna, ben])
    assert (await listed(world, "followers", ben), await counts(world, ben)) == ([anna], (1, 0))


async def test_a_declined_request_leaves_nothing_and_may_be_made_again(world: World) -> None:
    anna, ben = await people(world, 2, private=[1])
    await act(world, "Follow", anna, ben)
    assert (await act(world, "DeclineFollow", ben, anna)).followed_by == NONE
    assert (await relation(world, anna, ben)).follow == NONE
    assert await refused(world, "ApproveFollow", ben, anna) == "FOLLOW_REQUEST_NOT_FOUND"
    assert (await act(world, "Follow", anna, ben)).follow == REQUESTED


async def test_a_follower_can_be_removed_and_an_approved_one_is_not_declined(world: World) -> None:
    anna, ben = await people(world, 2, private=[1])
    await act(world, "Follow", anna, ben)
    await act(world, "ApproveFollow", ben, anna)
    assert (await act(world, "DeclineFollow", ben, anna)).followed_by == FOLLOWING
    assert (await act(world, "RemoveFollower", ben, anna)).followed_by == NONE


async def test_a_block_ends_both_follows_for_good(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Follow", anna, ben)
    await act(world, "Follow", ben, anna)
    await catch_up(world, [anna, ben])
    assert await act(world, "Block", anna, ben) == pb.Relationship(user_id=ben, blocks=True)
    # The lists still hold them, and nobody is shown.
    for name in ("followers", "following"):
        assert await listed(world, name, anna) == []
    await act(world, "Unblock", anna, ben)
    assert await relation(world, anna, ben) == pb.Relationship(user_id=ben)
    await catch_up(world, [anna, ben])
    assert (await counts(world, anna), await counts(world, ben)) == ((0, 0), (0, 0))


async def test_a_follow_that_races_a_block_never_survives_it(world: World) -> None:
    for _ in range(20):
        anna, ben = await people(world, 2)
        acts = [act(world, "Block", anna, ben), act(world, "Follow", ben, anna), act(world, "Follow", anna, ben)]
        for outcome in await asyncio.gather(*acts, return_exceptions=True):
            assert not isinstance(outcome, BaseException) or isinstance(outcome, RpcFailed)
            assert not isinstance(outcome, RpcFailed) or outcome.reason in {"ACCOUNT_NOT_FOUND", "UNBLOCK_FIRST"}
        assert await relation(world, anna, ben) == pb.Relationship(user_id=ben, blocks=True)
        versions = [event.key_version for event in await bond_events(world, [anna, ben])]
        assert versions == sorted(set(versions))


async def test_many_follows_at_once_are_one(world: World) -> None:
    anna, ben = await people(world, 2)
    answers = await asyncio.gather(*(act(world, "Follow", anna, ben) for _ in range(6)))
    assert {answer.follow for answer in answers} == {FOLLOWING}
    assert len(await bond_events(world, [anna, ben])) == 1


async def test_whoever_is_blocked_finds_nobody(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Block", anna, ben)
    for name in ("Follow", "Mute"):
        assert await refused(world, name, ben, anna) == await refused(world, name, ben, ABSENT) == "ACCOUNT_NOT_FOUND"
    for method in ("ListFollowers", "ListFollowing"):
        for user_id in (anna, ABSENT):
            with pytest.raises(RpcFailed) as failed:
                await getattr(graph(world, ben), method)(getattr(pb, f"{method}Request")(user_id=user_id))
            assert failed.value.reason == "ACCOUNT_NOT_FOUND"
    assert await relation(world, ben, anna) == pb.Relationship(user_id=anna)
    assert await counts(world, anna, viewer_id=ben) == (0, 0)


async def test_a_blocked_person_finds_no_profile_and_the_blocker_still_does(world: World) -> None:
    anna, ben = await world.sign_up("anna"), await world.sign_up("ben")
    both = profile_pb.BatchGetProfilesRequest(user_ids=[anna, ben])
    handle = profile_pb.GetProfileByHandleRequest(handle="anna")
    assert (await world.profiles(ben).GetProfileByHandle(handle)).profile.user_id == anna
    await act(world, "Block", anna, ben)
    assert [one.user_id for one in (await world.profiles(ben).BatchGetProfiles(both)).profiles] == [ben]
    with pytest.raises(RpcFailed) as failed:
        await world.profiles(ben).GetProfileByHandle(handle)
    assert failed.value.reason == "PROFILE_NOT_FOUND"
    for user_id in (anna, 0):
        assert [one.user_id for one in (await world.profiles(user_id).BatchGetProfiles(both)).profiles] == [anna, ben]
    await act(world, "Unblock", anna, ben)
    assert (await world.profiles(ben).GetProfileByHandle(handle)).profile.user_id == anna


async def test_only_services_that_decide_hear_who_blocks_the_viewer(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Block", anna, ben)
    assert not (await relation(world, ben, anna)).blocked_by
    for caller in ("feed", "video"):
        assert await relation(world, ben, anna, caller=caller) == pb.Relationship(user_id=anna, blocked_by=True)
        assert await relation(world, anna, ben, caller=caller) == pb.Relationship(user_id=ben, blocks=True)


async def test_whom_one_blocks_one_cannot_follow_and_mutual_blocks_give_nothing_away(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Block", anna, ben)
    assert await refused(world, "Follow", anna, ben) == "UNBLOCK_FIRST"
    assert (await act(world, "Block", ben, anna)).blocks
    assert await refused(world, "Follow", anna, ben) == "UNBLOCK_FIRST"
    await act(world, "Unblock", anna, ben)
    assert await refused(world, "Follow", anna, ben) == "ACCOUNT_NOT_FOUND"


async def test_a_mute_is_seen_by_nobody_else(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Follow", ben, anna)
    assert (await act(world, "Mute", anna, ben)).mutes
    for caller in ("gateway", "feed", "video"):
        assert await relation(world, ben, anna, caller=caller) == pb.Relationship(user_id=anna, follow=FOLLOWING)
    await catch_up(world, [anna, ben])
    assert (await listed(world, "muted", anna), await listed(world, "muted", ben)) == ([ben], [])
    assert not (await act(world, "Unmute", anna, ben)).mutes
    assert await listed(world, "muted", anna) == []


async def test_nobody_acts_on_themselves_or_on_who_is_not_there(world: World) -> None:
    anna = await person(world)
    void = 10**17 + 1
    await world.tables.insert(Account(user_id=void, state=AccountState.VOID))
    for name in ("Follow", "Block", "Mute", "Unfollow", "Unblock"):
        assert await refused(world, name, anna, anna) == "SELF_FOLLOW"
    for user_id in (ABSENT, void):
        for name in ("Follow", "Block", "Mute"):
            assert await refused(world, name, anna, user_id) == "ACCOUNT_NOT_FOUND"
        assert await refused(world, "ApproveFollow", anna, user_id) == "FOLLOW_REQUEST_NOT_FOUND"
        assert await act(world, "Unfollow", anna, user_id) == pb.Relationship(user_id=user_id)
    assert await world.rows(Bond) == []


async def test_ids_and_request_ids_have_their_forms(world: World) -> None:
    anna, ben = await people(world, 2)
    for request in (
        pb.FollowRequest(user_id=ben),
        pb.FollowRequest(user_id=-1, request_id="a"),
        pb.FollowRequest(request_id="a"),
        pb.FollowRequest(user_id=ben, request_id="x" * 65),
    ):
        with pytest.raises(RpcFailed) as failed:
            await graph(world, anna).Follow(request)
        assert failed.value.reason == "INVALID_REQUEST"
    with pytest.raises(RpcFailed) as failed:
        await graph(world, anna).BatchGetRelationships(pb.BatchGetRelationshipsRequest(user_ids=range(1, 202)))
    assert failed.value.reason == "INVALID_REQUEST"
    assert await world.rows(Bond) == []


async def test_who_follows_very_many_follows_no_more(world: World) -> None:
    anna, ben, carl = await people(world, 3)
    await act(world, "Follow", anna, carl)
    await world.tables.insert(Edge(user_id=anna, direction=Direction.FOLLOWING, size=MOST_FOLLOWING))
    assert await refused(world, "Follow", anna, ben) == "TOO_MANY_FOLLOWS"
    # Whom one follows already one may follow again, and make room.
    assert (await act(world, "Follow", anna, carl)).follow == FOLLOWING
    assert (await act(world, "Unfollow", anna, carl)).follow == NONE


async def test_who_asks_very_many_asks_no_more_and_an_answer_makes_room(world: World) -> None:
    anna, ben = await people(world, 2)
    carl, dora = [await person(world, is_private=True) for _ in range(2)]
    assert (await act(world, "Follow", anna, carl)).follow == REQUESTED
    await catch_up(world, [anna, carl])
    (asking,) = [row for row in await world.rows(Edge) if row.user_id == anna and row.direction is Direction.ASKING and not row.other_id]
    assert asking.size == 1
    await world.tables.transition(replace(asking, size=MOST_ASKING), expected_version=asking.version)
    assert await refused(world, "Follow", anna, dora) == "TOO_MANY_FOLLOW_REQUESTS"
    # Whom one asks already one may ask again, and whoever asks nobody's leave is followed.
    assert (await act(world, "Follow", anna, carl)).follow == REQUESTED
    assert (await act(world, "Follow", anna, ben)).follow == FOLLOWING
    assert (await act(world, "ApproveFollow", carl, anna)).followed_by == FOLLOWING
    await catch_up(world, [anna, ben, carl])
    assert (await act(world, "Follow", anna, dora)).follow == REQUESTED


async def test_nobody_lets_in_who_follows_very_many(world: World) -> None:
    anna, ben = await people(world, 2)
    carl = await person(world, is_private=True)
    assert (await act(world, "Follow", anna, carl)).follow == REQUESTED
    assert (await act(world, "Follow", ben, carl)).follow == REQUESTED
    await world.tables.insert(Edge(user_id=anna, direction=Direction.FOLLOWING, size=MOST_FOLLOWING))
    before = await bond_events(world, [anna, ben, carl])
    assert await refused(world, "ApproveFollow", carl, anna) == "TOO_MANY_FOLLOWS"
    assert (await relation(world, anna, carl)).follow == REQUESTED
    assert await bond_events(world, [anna, ben, carl]) == before
    # How many carl follows, or others who asked, is nothing to it.
    await world.tables.insert(Edge(user_id=carl, direction=Direction.FOLLOWING, size=MOST_FOLLOWING))
    assert (await act(world, "ApproveFollow", carl, ben)).followed_by == FOLLOWING
    assert (await act(world, "DeclineFollow", carl, anna)).followed_by == NONE


async def test_a_repeat_changes_nothing_more_whatever_came_between(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Follow", anna, ben, request_id="one")
    await act(world, "Unfollow", anna, ben, request_id="two")
    assert (await act(world, "Follow", anna, ben, request_id="one")).follow == NONE
    # Also the repeat of what did nothing the first time.
    await act(world, "Unfollow", anna, ben, request_id="three")
    await act(world, "Follow", anna, ben, request_id="four")
    assert (await act(world, "Unfollow", anna, ben, request_id="three")).follow == FOLLOWING
    assert len(await bond_events(world, [anna, ben])) == 3


async def test_a_request_id_belongs_to_one_request(world: World) -> None:
    anna, ben, carl = await people(world, 3)
    await act(world, "Follow", anna, ben, request_id="one")
    with pytest.raises(RpcFailed) as failed:
        await act(world, "Follow", anna, carl, request_id="one")
    assert failed.value.reason == "REQUEST_ID_REUSED"
    assert (await relation(world, anna, carl)).follow == NONE
    # Another method, and another person, have request ids of their own.
    assert (await act(world, "Mute", anna, ben, request_id="one")).mutes
    assert (await act(world, "Follow", carl, ben, request_id="one")).follow == FOLLOWING


async def test_lists_of_a_private_account_are_for_those_who_follow_it(world: World) -> None:
    anna, ben, carl = await people(world, 3, private=[0])
    await act(world, "Follow", ben, anna)
    await act(world, "ApproveFollow", anna, ben)
    await catch_up(world, [anna, ben])
    for viewer_id in (anna, ben):
        assert await listed(world, "followers", anna, viewer_id=viewer_id) == [ben]
    for viewer_id in (carl, 0):
        with pytest.raises(RpcFailed) as failed:
            await listed(world, "followers", anna, viewer_id=viewer_id)
        assert failed.value.reason == "FOLLOWS_ARE_PRIVATE"
    assert await listed(world, "following", ben, viewer_id=0) == [anna]


async def test_lists_leave_out_whom_a_block_parts_from_the_viewer(world: World) -> None:
    star, anna, ben, carl = await people(world, 4)
    for fan in (anna, ben, carl):
        await act(world, "Follow", fan, star)
        world.clock.advance(10)
    await catch_up(world, [star, anna, ben, carl])
    assert await listed(world, "followers", star, viewer_id=anna) == [carl, ben, anna]
    await act(world, "Block", anna, ben)
    assert await listed(world, "followers", star, viewer_id=anna) == [carl, anna]
    assert await listed(world, "followers", star, viewer_id=ben) == [carl, ben]
    assert await listed(world, "followers", star, viewer_id=0) == [carl, ben, anna]
    assert await counts(world, star) == (3, 0)


async def test_lists_go_back_through_the_months(world: World) -> None:
    star, *fans = await people(world, 9)
    for number, fan in enumerate(fans):
        await act(world, "Follow", fan, star)
        world.clock.advance(MONTH_MS * (1 + number % 3))
    await catch_up(world, [star, *fans])
    for page_size in (1, 2, 3, 100):
        assert await listed(world, "followers", star, page_size=page_size) == fans[::-1]


async def test_a_page_reads_few_months_and_goes_on(world: World) -> None:
    star, *fans = await people(world, 31)
    for fan in fans:
        await act(world, "Follow", fan, star)
        world.clock.advance(MONTH_MS)
    await catch_up(world, [star, *fans])
    answer = await graph(world, star).ListFollowers(pb.ListFollowersRequest(user_id=star, page_size=100))
    assert ([one.user_id for one in answer.people], bool(answer.next_page_token)) == (fans[:-13:-1], True)
    assert await listed(world, "followers", star, page_size=100) == fans[::-1]


async def test_a_page_token_is_of_one_list(world: World) -> None:
    star, other, *fans = await people(world, 5)
    for fan in fans:
        await act(world, "Follow", fan, star)
    await catch_up(world, [star, *fans])
    token = (await graph(world, star).ListFollowers(pb.ListFollowersRequest(user_id=star, page_size=1))).next_page_token
    for call in (
        graph(world, star).ListFollowing(pb.ListFollowingRequest(user_id=star, page_token=token)),
        graph(world, star).ListFollowers(pb.ListFollowersRequest(user_id=other, page_token=token)),
        graph(world, star).ListMuted(pb.ListMutedRequest(page_token=token)),
    ):
        with pytest.raises(RpcFailed) as failed:
            await call
        assert failed.value.reason == "INVALID_PAGE_TOKEN"


async def test_a_place_that_is_no_longer_true_is_not_shown_though_the_list_still_has_it(world: World) -> None:
    anna, ben = await people(world, 2)
    await act(world, "Follow", anna, ben)
    await catch_up(world, [anna, ben])
    world.clock.advance(1_000)
    await act(world, "Unfollow", anna, ben)
    assert await listed(world, "followers", ben) == []
    world.clock.advance(1_000)
    await act(world, "Follow", anna, ben)
    # The old place is not the new follow: it would stand in the list twice.
    assert await listed(world, "followers", ben) == []
    await catch_up(world, [anna, ben])
    assert await listed(world, "followers", ben) == [anna]


async def test_an_old_event_brings_nothing_back(world: World) -> None:
    anna, ben = await people(world, 2)
    for name in ("Follow", "Unfollow", "Follow", "Block"):
        await act(world, name, anna, ben)
        world.clock.advance(10)
    events = await bond_events(world, [anna, ben])
    await deliver(world, reversed(events))
    await deliver(world, events[:3])
    assert (await counts(world, anna), await counts(world, ben)) == ((0, 0), (0, 0))
    assert await listed(world, "blocked", anna) == [ben]
