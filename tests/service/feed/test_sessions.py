"""Sessions: cursors, equal pages, nothing played twice, what was only served returns."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clipmesh.feed.v1 import events_pb2
from clipmesh.feed.v1.signal_service_pb2 import SURFACE_FOR_YOU
from clipmesh.video.v1 import events_pb2 as video_events_pb2

from mesh.errors import InvalidArgument
from svc_feed.foryou.actions import PAGE_LIFE_MS
from svc_feed.foryou.cursors import LIFE_MS, Cursor, Cursors
from svc_feed.foryou.sessions import MOST_PLAYED
from svc_feed.foryou.tables import ServedPage
from svc_feed.metrics import PAGES
from svc_feed.signed import Signer
from tests.service.feed.world import ACCEPTED, ALICE, BOB, NAMED, World, guest, ids_of, open_world, person, video

MINUTE = 60_000


@pytest.fixture(autouse=True)
async def sixty_videos(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 61)))


async def refused(world: World, who: Any, cursor: str, reason: str) -> None:
    before = await world.everything()
    with pytest.raises(InvalidArgument) as failed:
        await world.page(who, after=cursor)
    assert failed.value.reason == reason
    assert await world.everything() == before


async def test_nothing_comes_twice_and_everything_comes_once(world: World) -> None:
    for who in (person(ALICE), person(BOB, consent=False), guest("s1")):
        shown = await world.walk(who, size=7)
        assert len(shown) == 60
        assert set(shown) == set(range(1, 61))


async def test_the_same_cursor_within_ten_minutes_gives_the_same_page(world: World) -> None:
    who = person(ALICE)
    first = await world.page(who, size=3)
    second = await world.page(who, size=3, after=first.items[2].cursor)
    # The world moves on: what is watched and published meanwhile changes later pages, not this one.
    await world.watch(person(BOB), 50, watched_ms=10_000)
    await world.publish(video(61))
    world.clock.advance(10 * MINUTE - 10_001)
    again = await world.page(who, size=3, after=first.items[2].cursor)
    assert list(again.items) == list(second.items), "ids, cursors and view tokens"
    assert list(again.reserve) == list(second.reserve)
    assert (again.feed_session_id, again.has_more, again.served_by) == (first.feed_session_id, second.has_more, second.served_by)
    assert [count.stage for count in again.stages] == ["session"]
    assert world.served.process.telemetry.value(PAGES, policy="stored") == 1
    told = [event.feed_session_id for _, event in await world.events(events_pb2.ImpressionServed) if event.surface == SURFACE_FOR_YOU]
    assert told == [first.feed_session_id] * 2


async def test_the_first_asker_decides_how_large_a_page_is(world: World) -> None:
    first = await world.page(guest("s1"), size=3)
    second = await world.page(guest("s1"), size=3, after=first.items[2].cursor)
    for size in (1, 10, 20):
        assert ids_of(await world.page(guest("s1"), size=size, after=first.items[2].cursor)) == ids_of(second)
    assert len((await world.page(guest("s1"), size=10, after=second.items[2].cursor)).items) == 10


async def test_requests_with_one_cursor_at_the_same_time_get_one_page(world: World) -> None:
    first = await world.page(person(ALICE), size=3)
    pages = await asyncio.gather(*(world.page(person(ALICE), size=3 + number % 4, after=first.items[0].cursor) for number in range(12)))
    assert len({tuple(item.SerializeToString() for item in page.items) for page in pages}) == 1
    assert len(await world.rows(ServedPage)) == 2
    assert len(await world.events(events_pb2.ImpressionServed)) == 2


async def test_two_first_requests_are_two_sessions(world: World) -> None:
    one, two = await world.page(guest("s1")), await world.page(guest("s1"))
    assert one.feed_session_id != two.feed_session_id
    assert {item.view_token for item in one.items}.isdisjoint(item.view_token for item in two.items)


async def test_what_was_served_but_not_played_returns_to_the_pool(world: World) -> None:
    first = await world.page(guest("s1"), size=20)
    played, returned = ids_of(first)[:1], {*ids_of(first)[1:], *(item.video_id for item in first.reserve)}
    second = await world.page(guest("s1"), size=20, after=first.items[0].cursor)
    assert not set(played) & {*ids_of(second), *(item.video_id for item in second.reserve)}
    assert set(ids_of(second)) & returned
    # Along any way through the pages the played ones stay away, however far back they were.
    third = await world.page(guest("s1"), size=20, after=second.items[2].cursor)
    assert not {*played, *ids_of(second)[:3]} & set(ids_of(third))
    assert set(ids_of(third)) & returned


async def test_a_reserve_item_has_a_place_of_its_own(world: World) -> None:
    first = await world.page(guest("s1"), size=2)
    spare = first.reserve[1]
    second = await world.page(guest("s1"), size=20, after=spare.cursor)
    gone = {*ids_of(first), first.reserve[0].video_id, spare.video_id}
    assert not gone & {*ids_of(second), *(item.video_id for item in second.reserve)}
    assert first.reserve[2].video_id in {*ids_of(second), *(item.video_id for item in second.reserve)} or len(second.items) == 20


async def test_every_swipe_may_ask_anew(world: World) -> None:
    shown: list[int] = []
    after = ""
    for _ in range(60):
        page = await world.page(guest("s1"), size=3, after=after)
        shown.append(page.items[0].video_id)
        after = page.items[0].cursor
    assert sorted(shown) == list(range(1, 61))
    end = await world.page(guest("s1"), size=3, after=after)
    assert (ids_of(end), list(end.reserve), end.has_more) == ([], [], False)


async def test_changed_cursors_are_refused_by_name(world: World) -> None:
    page = await world.page(person(ALICE))
    cursor = page.items[0].cursor
    for place in range(0, len(cursor), 5):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        with pytest.raises(InvalidArgument) as failed:
            await world.page(person(ALICE), after=changed)
        assert failed.value.reason == "BAD_CURSOR"
    signer = Signer(NAMED["feed_token_key"])
    claims = {"sub": str(ALICE), "ses": page.feed_session_id, "pag": "p", "key": "", "idx": 0, "vid": "1", "iat": 0, "epo": 0}
    for bad in (
        "x",
        "a.b.c",
        "é",
        page.items[0].view_token,
        Signer(b"z" * 32).sign("cursor+jwt", claims | {"pur": "for-you", "exp_ms": 2**62}),
        signer.sign("cursor+jwt", claims | {"pur": "following", "exp_ms": 2**62}),
        signer.sign("view+jwt", claims | {"pur": "for-you", "exp_ms": 2**62}),
    ):
        await refused(world, person(ALICE), bad, "BAD_CURSOR")
    with pytest.raises(InvalidArgument):
        await world.page(person(ALICE), after="x" * 4097)


async def test_a_foreign_cursor_is_refused_by_name(world: World) -> None:
    alices, guests = await world.page(person(ALICE)), await world.page(guest("s1"))
    await refused(world, person(BOB), alices.items[0].cursor, "BAD_CURSOR")
    await refused(world, guest("s2"), guests.items[0].cursor, "BAD_CURSOR")
    await refused(world, person(ALICE, session_id="s1"), guests.items[0].cursor, "BAD_CURSOR")
    # Withdrawing consent does not make her somebody else.
    assert (await world.page(person(ALICE, consent=False), after=alices.items[0].cursor)).served_by == "contextual"


async def test_an_expired_cursor_is_refused_by_name(world: World) -> None:
    page = await world.page(person(ALICE))
    world.clock.advance(LIFE_MS - 1)
    following = await world.page(person(ALICE), after=page.items[0].cursor)
    world.clock.advance(1)
    await refused(world, person(ALICE), page.items[0].cursor, "CURSOR_EXPIRED")
    assert (await world.page(person(ALICE), after=following.items[0].cursor)).feed_session_id == page.feed_session_id


async def test_a_cursor_whose_pages_are_gone_or_that_points_behind_them_is_refused_by_name(world: World) -> None:
    page = await world.page(person(ALICE), size=2)
    cursors = Cursors(signer=Signer(NAMED["feed_token_key"]))
    real = cursors.read(page.items[0].cursor, viewer_key=str(ALICE), now_ms=world.clock.now_ms())

    def cursor(**changes: object) -> str:
        fields = {name: getattr(real, name) for name in Cursor.__slots__}
        return cursors.sign(Cursor(**fields | changes))

    await refused(world, person(ALICE), cursor(index=7), "BAD_CURSOR")
    await refused(world, person(ALICE), cursor(page_id="another"), "CURSOR_EXPIRED")
    await refused(world, person(ALICE), cursor(session_id="another"), "CURSOR_EXPIRED")
    says_less = Signer(NAMED["feed_token_key"]).sign("cursor+jwt", {"sub": str(ALICE), "pur": "for-you"})
    await refused(world, person(ALICE), says_less, "CURSOR_EXPIRED")
    assert ids_of(await world.page(person(ALICE), after=cursor(index=0)))


async def test_a_session_outlives_its_first_pages_while_its_cursors_are_used_in_time(world: World) -> None:
    page = await world.page(guest("s1"), size=1)
    shown = ids_of(page)
    for _ in range(8):
        world.clock.advance(PAGE_LIFE_MS // 5)
        page = await world.page(guest("s1"), size=1, after=page.items[0].cursor)
        shown += ids_of(page)
    assert len(set(shown)) == 9
    assert {row.cursor_key for row in await world.rows(ServedPage)} & {""} == set(), "the first page is gone"


async def test_a_session_of_more_than_a_thousand_pages_and_clips_shows_nothing_twice(world: World) -> None:
    await world.publish(*(video(number) for number in range(61, 1_101)))
    page = await world.page(guest("s1"), size=20)
    shown = ids_of(page)
    # A thousand pages that were asked for at other items: they belong to the session and not to the way through it.
    others = [ServedPage(session_id=page.feed_session_id, cursor_key=f"other:{number}", slots="[]") for number in range(1_000)]
    await asyncio.gather(*map(world.tables.insert, others))
    while page.has_more:
        page = await world.page(guest("s1"), size=20, after=page.items[-1].cursor)
        shown += ids_of(page)
    assert (len(shown), set(shown)) == (1_100, set(range(1, 1_101)))
    rows = {row.played_count: row for row in await world.rows(ServedPage) if row.page_id}
    assert sorted(rows) == list(range(0, 1_100, 20))
    assert 8 * (MOST_PLAYED - 20) < max(len(row.played) for row in rows.values()) <= 8 * MOST_PLAYED
    assert sorted(number for number, row in rows.items() if row.base_index >= 0 and not row.played) == [260, 520, 780, 1_040]


async def test_a_withdrawn_video_leaves_stored_pages_and_the_reserve_fills_its_place(world: World) -> None:
    first = await world.page(guest("s1"), size=3)
    second = await world.page(guest("s1"), size=3, after=first.items[2].cursor)
    gone = second.items[1].video_id
    await world.withdraw(gone)
    again = await world.page(guest("s1"), size=3, after=first.items[2].cursor)
    assert ids_of(again) == [second.items[0].video_id, second.items[2].video_id, second.reserve[0].video_id]
    assert list(again.items[:2]) == [second.items[0], second.items[2]]
    assert list(again.items[2:]) + list(again.reserve) == list(second.reserve)
    # Back again, it has its place again.
    await world.fold((3, video_events_pb2.VideoPublished(video=video(gone))))
    assert list((await world.page(guest("s1"), after=first.items[2].cursor)).items) == list(second.items)


async def test_hard_filters_are_asked_again_for_stored_pages(world: World) -> None:
    first = await world.page(person(ALICE), size=3)
    second = await world.page(person(ALICE), size=3, after=first.items[2].cursor)
    limited, own = second.items[0].video_id, second.items[1].video_id
    await world.fold((2, video_events_pb2.VideoChanged(video=video(limited, recommendable=False))))
    await world.fold((2, video_events_pb2.VideoChanged(video=video(own, creator_id=ALICE))))
    again = await world.page(person(ALICE), size=3, after=first.items[2].cursor)
    assert not {limited, own} & {*ids_of(again), *(item.video_id for item in again.reserve)}
    assert len(again.items) == 3


async def test_a_watched_item_stays_on_its_stored_page(world: World) -> None:
    first = await world.page(person(ALICE), size=3)
    second = await world.page(person(ALICE), size=3, after=first.items[0].cursor)
    world.clock.advance(5_000)
    assert await world.report(person(ALICE), world.report_of(second.items[0].view_token, watched_ms=5_000)) == [ACCEPTED]
    again = await world.page(person(ALICE), size=3, after=first.items[0].cursor)
    assert list(again.items) == list(second.items)
    assert second.items[0].video_id not in ids_of(await world.page(person(ALICE), size=3, after=second.items[0].cursor))


async def test_after_a_restart_the_memory_equals_the_tables_and_sessions_go_on(tmp_path: Path) -> None:
    async with open_world(tmp_path / "again") as world:
        await world.publish(*(video(number, category=number % 5, hashtags=[f"tag{number % 3}"]) for number in range(1, 21)))
        await world.withdraw(4)
        for number in (2, 7, 7):
            await world.watch(person(BOB), number, watched_ms=8_000)
        await world.watch(person(ALICE), 2, watched_ms=9_000)
        first = await world.page(person(ALICE), size=3)
        second = await world.page(person(ALICE), size=3, after=first.items[0].cursor)
        now_ms = world.clock.now_ms()
        before = ranked(world)
    async with open_world(tmp_path / "again") as world:
        world.clock.advance(now_ms - world.clock.now_ms())
        assert ranked(world) == before
        again = await world.page(person(ALICE), size=3, after=first.items[0].cursor)
        assert (list(again.items), list(again.reserve)) == (list(second.items), list(second.reserve))
        third = await world.page(person(ALICE), size=20, after=second.items[1].cursor)
        assert sorted(ids_of(third)) == sorted({*range(1, 21)} - {4, 2, ids_of(first)[0], *ids_of(second)[:2]})


def ranked(world: World) -> tuple[object, ...]:
    """What sources and scorers read of the corpus."""
    corpus = world.feed.corpus
    newest, hottest = corpus.newest(1_000), corpus.hottest(1_000)
    columns = corpus.columns
    facts = {
        int(columns.ids[row]): (
            float(columns.tokens[row]),
            float(columns.shares[row]),
            bool(columns.recommendable[row]),
            int(columns.creators[row]),
        )
        for row in corpus.rows(range(1, 21))
    }
    return [int(one) for one in columns.ids[newest]], [int(one) for one in columns.ids[hottest]], facts
