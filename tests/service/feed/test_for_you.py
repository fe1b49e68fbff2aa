"""For You: what a page holds and why."""

from __future__ import annotations

from typing import Any

import pytest
from clipmesh.feed.v1 import events_pb2, feed_service_pb2
from clipmesh.feed.v1 import signal_service_pb2 as pb

from mesh.errors import InvalidArgument
from svc_feed.foryou.actions import DEFAULT_PAGE, MOST_PAGE
from svc_feed.foryou.pipeline import RESERVE
from svc_feed.metrics import PAGES, REMOVED, STAGE_SECONDS
from svc_feed.signals.tokens import ViewToken, ViewTokens
from svc_feed.signed import Signer
from tests.service.feed.world import ACCEPTED, ALICE, BOB, CREATOR, DUPLICATE, NAMED, OWN_VIDEO, World, guest, ids_of, person, video

FOOD, MUSIC = 12, 15
NOW_MS = 1_760_000_000_000


async def test_an_empty_corpus_gives_an_empty_page(world: World) -> None:
    page = await world.page(guest("s1"))
    assert (ids_of(page), list(page.reserve), page.has_more, page.served_by, list(page.degraded)) == ([], [], False, "contextual", [])
    assert await world.events(events_pb2.ImpressionServed) == []


async def test_page_sizes(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 41)))
    for asked, given in ((0, DEFAULT_PAGE), (1, 1), (3, 3), (20, 20), (21, MOST_PAGE), (2**31 - 1, MOST_PAGE)):
        page = await world.page(guest("s1"), size=asked)
        assert (len(page.items), len(page.reserve), page.has_more) == (given, RESERVE, True)
        assert len({*ids_of(page), *(item.video_id for item in page.reserve)}) == given + RESERVE
    with pytest.raises(InvalidArgument):
        await world.page(guest("s1"), size=-1)


async def test_a_page_says_who_found_what_and_what_each_stage_did(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 6)))
    await world.watch(person(BOB), 2, watched_ms=9_000)
    page = await world.page(person(ALICE), size=2)
    assert page.items[0].video_id == 2, "what others watched to the end comes first"
    assert list(page.items[0].sources) == ["fresh", "popular"]
    assert list(page.items[1].sources) == ["fresh"]
    assert [item.score for item in page.items] == sorted((item.score for item in page.items), reverse=True)
    stages = {count.stage: (count.count_in, count.count_out, count.failed) for count in page.stages}
    assert stages == {
        "hydrate.history": (0, 0, False),
        "source.fresh": (5_000, 5, False),
        "source.popular": (5_000, 1, False),
        "filter.not_visible": (5, 5, False),
        "filter.own": (5, 5, False),
        "filter.barred": (5, 5, False),
        "score.quality": (5, 5, False),
        "score.freshness": (5, 5, False),
        "score.explore": (5, 5, False),
        "select": (5, 5, False),
        "effect.impressions": (5, 1, False),
        "serve": (1, 1, False),
    }
    telemetry = world.served.process.telemetry
    assert telemetry.value(STAGE_SECONDS, stage="source.popular") == 1
    assert telemetry.value(PAGES, policy="contextual") == 1


async def test_view_tokens_of_a_page_are_bound_to_its_slots(world: World) -> None:
    await world.publish(video(1, category=FOOD, hashtags=["soup"]))
    page = await world.page(person(ALICE))
    token = token_in(page.items[0])
    assert (token.video_id, token.surface, token.session, token.source_mask) == (1, pb.SURFACE_FOR_YOU, page.feed_session_id, 1)
    assert (token.viewer_key, token.category, token.hashtags, token.model_version) == (str(ALICE), FOOD, "soup", "contextual")
    world.clock.advance(2_000)
    report = world.report_of(page.items[0].view_token, watched_ms=2_000)
    assert await world.report(person(ALICE), report, report) == [ACCEPTED, DUPLICATE]
    assert [event.surface for _, event in await world.events(events_pb2.WatchRecorded)] == [pb.SURFACE_FOR_YOU]


def token_in(item: feed_service_pb2.FeedItem) -> ViewToken:
    token = ViewTokens(signer=Signer(NAMED["feed_token_key"])).read(item.view_token)
    assert token is not None
    return token


@pytest.mark.parametrize(("consent", "named"), [(True, ALICE), (False, 0)])
async def test_impressions_tell_what_was_offered_and_to_whom_only_with_consent(world: World, consent: bool, named: int) -> None:
    await world.publish(*(video(number) for number in range(1, 9)))
    who = person(ALICE, consent=consent)
    first = await world.page(who, size=2)
    second = await world.page(who, size=3, after=first.items[1].cursor)
    # Asked again, it is the same page: nothing more is told.
    assert ids_of(await world.page(who, size=3, after=first.items[1].cursor)) == ids_of(second)
    served = await world.events(events_pb2.ImpressionServed)
    assert [(event.feed_session_id, event.viewer_id) for _, event in served] == [(first.feed_session_id, named)] * 2
    assert {(event.surface, event.policy, envelope.key_version) for envelope, event in served} == {(pb.SURFACE_FOR_YOU, "contextual", 1)}
    for start, page, (_, event) in zip((0, 2), (first, second), served, strict=True):
        offered = [*page.items, *page.reserve]
        assert [(one.video_id, one.slot, one.spare) for one in event.impressions] == [
            (item.video_id, start + number, number >= len(page.items)) for number, item in enumerate(offered)
        ]
        # What a watch proves by its token is the impression of the same slot.
        assert [one.slot for one in event.impressions] == [token_in(item).slot for item in offered]
        assert [one.token_id for one in event.impressions] == [token_in(item).token_id if named else "" for item in offered]
    assert {one.selection_probability for _, event in served for one in event.impressions} == {1.0}
    assert [list(envelope.subject_ids) for envelope, _ in served] == [[named] if named else []] * 2


async def test_a_spare_clip_that_steps_in_keeps_its_slot_and_its_impression(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 9)))
    first = await world.page(person(ALICE), size=2)
    asked = {"size": 3, "after": first.items[0].cursor}
    page = await world.page(person(ALICE), **asked)
    await world.withdraw(page.items[1].video_id)
    again = await world.page(person(ALICE), **asked)
    assert list(again.items) == [page.items[0], page.items[2], page.reserve[0]]
    world.clock.advance(2_000)
    assert await world.report(person(ALICE), world.report_of(again.items[2].view_token, watched_ms=2_000)) == [ACCEPTED]
    ((_, watched),) = await world.events(events_pb2.WatchRecorded)
    (shown,) = [
        one for _, event in await world.events(events_pb2.ImpressionServed) for one in event.impressions if one.token_id == watched.token_id
    ]
    assert (shown.video_id, shown.slot, shown.spare) == (page.reserve[0].video_id, 4, True)


async def test_own_clips_are_never_in_the_feed(world: World) -> None:
    await world.publish(*(video(number, creator_id=ALICE if number % 2 else BOB) for number in range(1, 11)))
    assert set(await world.walk(person(ALICE))) == {2, 4, 6, 8, 10}
    assert set(await world.walk(person(BOB, consent=False))) == {1, 3, 5, 7, 9}
    assert len(await world.walk(guest("s1"))) == 10
    assert world.served.process.telemetry.value(REMOVED, stage="filter.own") == 10


async def test_only_recommendable_clips_are_in_the_feed(world: World) -> None:
    await world.publish(video(1), video(2, recommendable=False), video(3))
    await world.withdraw(3)
    assert await world.walk(guest("s1")) == [1]


async def test_what_was_watched_leaves_the_feed_and_shapes_the_next_page(world: World) -> None:
    clips = [video(number, category=FOOD if number % 2 else MUSIC, published_at_ms=NOW_MS - 10**9) for number in range(1, 41)]
    await world.publish(*clips)
    fan = person(ALICE)
    first = await world.page(fan, size=10)
    assert first.served_by == "contextual"
    assert {number % 2 for number in ids_of(first)} == {0, 1}
    watched = [item for item in first.items if item.video_id % 2][:3]
    skipped = [item for item in first.items if not item.video_id % 2][:3]
    for item, watched_ms in [*((item, 10_000) for item in watched), *((item, 500) for item in skipped)]:
        world.clock.advance(watched_ms)
        assert await world.report(fan, world.report_of(item.view_token, watched_ms=watched_ms)) == [ACCEPTED]
    for page in (await world.page(fan, size=10, after=first.items[0].cursor), await world.page(fan, size=10)):
        assert page.served_by == "personal"
        assert not {item.video_id for item in [*watched, *skipped]} & {*ids_of(page), *(item.video_id for item in page.reserve)}
        kinds = [number % 2 for number in ids_of(page)]
        assert kinds.count(1) >= 8, "food was finished, music was skipped"
    # Somebody else learns from it what is good, not what Alice likes.
    assert (await world.page(person(BOB), size=10)).served_by == "contextual"


async def test_skips_count_against_a_creator_and_finished_clips_for_one(world: World) -> None:
    clips = [video(number, creator_id=CREATOR + number % 3, published_at_ms=NOW_MS - 10**9) for number in range(1, 31)]
    await world.publish(*clips)
    # Watched by others alike, so that only Alice's own taste tells them apart.
    for number, watched_ms in ((1, 10_000), (4, 10_000), (2, 400), (5, 400)):
        await world.watch(person(ALICE), number, watched_ms=watched_ms)
    order = [number % 3 for number in ids_of(await world.page(person(ALICE), size=20))]
    places = {creator: [place for place, one in enumerate(order) if one == creator] for creator in (0, 1, 2)}
    assert max(places[1], default=0) < 20
    assert len(places[1]) == 8, "all that is left of the creator she likes"
    assert sum(places[1]) / len(places[1]) < sum(places[0]) / len(places[0])
    assert len(places[2]) <= 4, "the one she skipped fills up only"


@pytest.mark.parametrize("who", [person(ALICE, consent=False), guest("s1")], ids=["no consent", "anonymous"])
async def test_without_consent_the_feed_is_contextual_and_forgets(world: World, who: Any) -> None:
    await world.publish(*(video(number, category=FOOD) for number in range(1, 6)))
    await world.watch(who, 3, watched_ms=500)
    page = await world.page(who)
    assert page.served_by == "contextual"
    assert sorted(ids_of(page)) == [1, 2, 3, 4, 5]
    assert "hydrate.history" not in {count.stage for count in page.stages}


async def test_a_language_the_viewer_reads_comes_before_others(world: World) -> None:
    old = NOW_MS - 10**10
    await world.publish(*(video(number, language=("de-AT", "fr", "")[number % 3], published_at_ms=old) for number in range(1, 9)))
    page = await world.page(guest("s1", languages=["de-DE", "en"]), size=8)
    assert [number % 3 == 1 for number in ids_of(page)] == [False] * 5 + [True] * 3


async def test_newer_clips_come_first_when_nobody_has_watched(world: World) -> None:
    day = 86_400_000
    await world.publish(*(video(number, published_at_ms=NOW_MS - age * day) for number, age in enumerate((0, 1, 2, 30), 1)))
    assert ids_of(await world.page(guest("s1"), size=4)) == [1, 2, 3, 4]


async def test_popularity_fades(world: World) -> None:
    await world.publish(video(1), video(2), video(3))
    await world.watch(person(BOB), 1, watched_ms=10_000)
    await world.watch(guest("s2"), 1, watched_ms=10_000)
    world.clock.advance(18 * 3_600_000)
    await world.watch(person(BOB), 2, watched_ms=10_000)
    corpus = world.feed.corpus
    assert [int(corpus.columns.ids[row]) for row in corpus.hottest(10)] == [2, 1], "two views 18 h ago weigh a quarter of one"


async def test_a_third_clip_of_one_creator_in_a_row_waits(world: World) -> None:
    star = [video(number, creator_id=CREATOR, published_at_ms=NOW_MS - number) for number in range(1, 11)]
    others = [video(number, published_at_ms=NOW_MS - 10**10) for number in range(11, 15)]
    await world.publish(*star, *others)
    page = await world.page(guest("s1"), size=14)
    runs = "".join("s" if number <= 10 else "." for number in ids_of(page))
    assert runs == "ss.ss.ss.ss.ss"
    assert list(page.degraded) == []
    # The row does not begin anew with a page.
    opening = await world.page(guest("s1"), size=2)
    assert [number <= 10 for number in ids_of(opening)] == [True, True]
    following = await world.page(guest("s1"), size=2, after=opening.items[1].cursor)
    assert [number <= 10 for number in ids_of(following)] == [False, True]


async def test_a_rule_that_cannot_be_met_is_named(world: World) -> None:
    await world.publish(*(video(number, creator_id=CREATOR) for number in range(1, 6)))
    page = await world.page(guest("s1"), size=5)
    assert (sorted(ids_of(page)), list(page.degraded)) == ([1, 2, 3, 4, 5], ["rule.creator_run"])


async def test_categories_are_mixed_when_scores_are_close(world: World) -> None:
    await world.publish(
        *(video(number, category=FOOD if number <= 10 else MUSIC, published_at_ms=NOW_MS - 10**10) for number in range(1, 21))
    )
    kinds = "".join("f" if number <= 10 else "m" for number in ids_of(await world.page(guest("s1"), size=10)))
    assert "ffff" not in kinds
    assert "mmmm" not in kinds


async def test_when_everything_was_seen_it_may_come_again_longest_ago_first(world: World) -> None:
    await world.publish(*(video(number, published_at_ms=NOW_MS - 10**10) for number in range(1, 5)))
    for number, pause_h in ((3, 170), (1, 12), (4, 9), (2, 1)):
        await world.watch(person(ALICE), number, watched_ms=10_000)
        world.clock.advance(pause_h * 3_600_000)
    page = await world.page(person(ALICE), size=2)
    assert page.served_by == "rewatch"
    assert page.has_more
    rest = await world.page(person(ALICE), size=2, after=page.items[1].cursor)
    assert rest.served_by == "rewatch"
    assert ids_of(page) + ids_of(rest) == [3, 1, 4, 2]
    assert not rest.has_more
    # A clip she does not know comes alone again.
    await world.publish(video(9))
    fresh = await world.page(person(ALICE), size=2)
    assert (fresh.served_by, ids_of(fresh), fresh.has_more) == ("personal", [9], False)


async def test_seen_clips_do_not_come_again_while_there_are_others(world: World) -> None:
    await world.publish(*(video(number) for number in range(1, 4)))
    for number in (1, 2):
        await world.watch(person(ALICE), number, watched_ms=300)
    for _ in range(3):
        page = await world.page(person(ALICE))
        assert (ids_of(page), page.has_more, page.served_by) == ([3], False, "personal")
    assert world.served.process.telemetry.value(REMOVED, stage="filter.seen") == 6


async def test_own_views_never_become_tastes(world: World) -> None:
    await world.publish(video(1, creator_id=ALICE), video(2))
    token = (await world.mint(person(ALICE), 1))[1]
    world.clock.advance(10_000)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=10_000)) == [OWN_VIDEO]
    page = await world.page(person(ALICE))
    assert (page.served_by, ids_of(page)) == ("contextual", [2])
