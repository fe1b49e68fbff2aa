"""Blocks and mutes in For You: they bite on the next request, in both directions, and without an answer of social nothing is shown."""

from __future__ import annotations

import pytest
from clipmesh.feed.v1 import feed_service_pb2
from clipmesh.social.v1 import graph_service_pb2

from mesh.errors import Unavailable
from svc_feed.foryou.people import MOST_ASKED
from tests.service.feed.world import ALICE, BOB, CREATOR, World, guest, ids_of, person, video


def all_of(page: feed_service_pb2.GetForYouResponse) -> list[int]:
    """Items and reserve."""
    return sorted([*ids_of(page), *(item.video_id for item in page.reserve)])


@pytest.mark.parametrize("by_the_creator", [False, True])
async def test_clips_of_a_parted_person_are_in_no_page(world: World, by_the_creator: bool) -> None:
    await world.publish(*(video(number) for number in range(1, 9)))
    people = (CREATOR + 3, ALICE) if by_the_creator else (ALICE, CREATOR + 3)
    world.graph.blocks(*people)
    assert all_of(await world.page(person(ALICE), size=8)) == [1, 2, 4, 5, 6, 7, 8]
    assert all_of(await world.page(person(BOB), size=8)) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_clips_of_a_muted_person_are_in_no_page(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 5)))
    world.graph.known[ALICE, CREATOR + 3] = graph_service_pb2.Relationship(user_id=CREATOR + 3, mutes=True)
    assert all_of(await world.page(person(ALICE), size=4)) == [1, 2, 4]


async def test_a_block_bites_on_the_next_request_of_a_page_that_was_made_before(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 13)))
    opening = await world.page(person(ALICE), size=3)
    cursor = opening.items[-1].cursor
    before = await world.page(person(ALICE), size=3, after=cursor)
    parted = before.items[1].video_id
    world.graph.blocks(CREATOR + parted, ALICE)
    again = await world.page(person(ALICE), size=3, after=cursor)
    assert len(again.items) == 3
    assert parted not in all_of(again)
    assert [one for one in ids_of(before) if one != parted] == ids_of(again)[:2]


async def test_many_blocks_do_not_empty_a_page(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 61)))
    first = set(all_of(await world.page(person(BOB), size=20)))
    for number in first:
        world.graph.blocks(ALICE, CREATOR + number)
    page = await world.page(person(ALICE), size=20)
    assert len(page.items) == 20
    assert not first & set(all_of(page))


async def test_a_page_asks_once_about_at_most_two_hundred_people_and_for_nobody_not_at_all(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 251)))
    page = await world.page(person(ALICE), size=5)
    assert [len(asked) for asked in world.graph.asked] == [MOST_ASKED]
    await world.page(person(ALICE), size=5, after=page.items[-1].cursor)
    await world.page(person(ALICE), size=5, after=page.items[-1].cursor)
    assert [len(asked) for asked in world.graph.asked] == [MOST_ASKED, MOST_ASKED, 10]
    await world.page(guest("s1"), size=5)
    assert len(world.graph.asked) == 3


async def test_without_an_answer_of_social_a_person_is_shown_nothing(world: World) -> None:
    await world.publish(video(1), video(2))
    opening = await world.page(person(ALICE), size=1)
    await world.page(person(ALICE), size=1, after=opening.items[0].cursor)
    world.graph.down = True
    for after in ("", opening.items[0].cursor):
        with pytest.raises(Unavailable):
            await world.page(person(ALICE), size=1, after=after)
    assert len((await world.page(guest("s1"), size=2)).items) == 2
