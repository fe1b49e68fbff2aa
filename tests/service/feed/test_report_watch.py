"""ReportWatch counts what a person watched, once, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from clipmesh.feed.v1 import events_pb2
from clipmesh.feed.v1 import signal_service_pb2 as pb
from clipmesh.feed.v1.signal_service_pb2_grpc import SignalServiceStub

from mesh.errors import Aborted, DeadlineExceeded, InvalidArgument, PermissionDenied, ResourceExhausted, Unavailable
from mesh.stores.tables.port import TablesUnavailable
from mesh.testing.rpc import Served, process_for, serve
from svc_feed.metrics import WATCH_REPORTS
from svc_feed.signals.rules import FUTURE_SLACK_MS, NETWORK, PACE_WINDOW_MS, PAST_SLACK_MS, PERSON, VIEW_MS, WATCH_SLACK_MS
from svc_feed.signals.store import SignalStore
from svc_feed.signals.tables import LedgerEntry, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import LIFE_MS, ViewToken, ViewTokens
from svc_feed.signed import Signer
from tests.service.feed.world import (
    ACCEPTED,
    ALICE,
    BAD_TIME,
    BAD_TOKEN,
    BOB,
    CREATOR,
    DUPLICATE,
    DURATION_MS,
    IMPLAUSIBLE,
    NAMED,
    OWN_VIDEO,
    World,
    guest,
    make_feed,
    person,
    video,
)

V = 7


@pytest.fixture(autouse=True)
async def one_video(world: World) -> None:
    await world.publish(video(V))


async def token_of(world: World, who: Any = None, video_id: int = V) -> str:
    return (await world.mint(who or person(ALICE), video_id))[video_id]


async def tally(world: World, video_id: int = V) -> tuple[int, int, int, int, float]:
    """Views, tokens, watching, loops and shares over all shards."""
    rows = [row for row in await world.rows(LedgerEntry) if not row.entry and row.video_id == video_id]
    return (
        sum(row.views for row in rows),
        sum(row.tokens for row in rows),
        sum(row.watched_ms for row in rows),
        sum(row.loops for row in rows),
        round(sum(row.share_sum for row in rows), 6),
    )


async def test_a_report_counts_with_its_event_and_the_persons_history(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(4_000)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=4_000)) == [ACCEPTED]
    assert await world.views(V) == [1]
    assert await tally(world) == (1, 1, 4_000, 0, 0.4)
    ((envelope, event),) = await world.events(events_pb2.WatchRecorded)
    assert event == events_pb2.WatchRecorded(
        video_id=V,
        viewer_id=ALICE,
        watched_ms=4_000,
        duration_ms=DURATION_MS,
        loops=0,
        surface=pb.SURFACE_PROFILE,
        counted_view=True,
        at_ms=world.clock.now_ms(),
        token_id=event.token_id,
    )
    ((_, served),) = await world.events(events_pb2.ImpressionServed)
    assert [one.token_id for one in served.impressions] == [event.token_id] != [""]
    assert list(envelope.subject_ids) == [ALICE]
    (watched,) = await world.rows(WatchedVideo)
    assert (watched.viewer_id, watched.video_id, watched.creator_id, watched.share) == (ALICE, V, CREATOR + V, 0.4)
    assert world.served.process.telemetry.value(WATCH_REPORTS, outcome="accepted") == 1


async def test_the_same_event_id_is_counted_once_in_one_batch_and_in_two(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(5_000)
    report = world.report_of(token, watched_ms=2_000)
    assert await world.report(person(ALICE), report, report) == [ACCEPTED, DUPLICATE]
    before = await world.everything()
    assert await world.report(person(ALICE), report) == [DUPLICATE]
    assert await world.everything() == before
    assert await tally(world) == (1, 1, 2_000, 0, 0.2)


async def test_an_event_id_belongs_to_one_token(world: World) -> None:
    first, second = await token_of(world), await token_of(world)
    world.clock.advance(5_000)
    reports = [world.report_of(token, watched_ms=2_500, event_id="the-same-id") for token in (first, second)]
    assert await world.report(person(ALICE), *reports) == [ACCEPTED, DUPLICATE]
    assert await world.report(person(ALICE), reports[1], reports[0]) == [DUPLICATE, DUPLICATE]
    assert await tally(world) == (1, 1, 2_500, 0, 0.25)
    # Another person's client may have drawn the same id.
    third = await token_of(world, person(BOB))
    world.clock.advance(5_000)
    assert await world.report(person(BOB), world.report_of(third, watched_ms=2_500, event_id="the-same-id")) == [ACCEPTED]


async def test_a_repeated_report_is_a_duplicate_even_when_the_pace_is_used_up(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(100_000)
    report = world.report_of(token, watched_ms=100_000)
    assert await world.report(person(ALICE), report) == [ACCEPTED]
    more = await token_of(world)
    world.clock.advance(30_000)
    assert await world.report(person(ALICE), world.report_of(more, watched_ms=30_000)) == [ACCEPTED]
    assert await world.report(person(ALICE), report) == [DUPLICATE]


def forged() -> list[str]:
    token = ViewToken(
        token_id="t", video_id=V, creator_id=1, duration_ms=1, viewer_key=str(ALICE), surface=2, session="", minted_at_ms=1_760_000_000_000
    )
    other_key = ViewTokens(signer=Signer(b"x" * 32)).mint(token)
    other_type = Signer(NAMED["feed_token_key"]).sign("cursor+jwt", {"jti": "t"})
    says_less = Signer(NAMED["feed_token_key"]).sign("view+jwt", {"jti": "t"})
    none = "eyJhbGciOiJub25lIiwidHlwIjoidmlldytqd3QifQ." + other_key.split(".")[1] + "."
    return [other_key, other_type, says_less, none, "x", "a.b.c", "é.é.é", "." * 4096]


async def test_forged_foreign_and_expired_tokens_change_nothing(world: World) -> None:
    mine, of_bob, of_guest = await token_of(world), await token_of(world, person(BOB)), await token_of(world, guest("s1"))
    world.clock.advance(3_000)
    before = await world.everything()
    bad = [*forged(), of_bob, of_guest, mine[:-2] + ("AA" if not mine.endswith("AA") else "BB")]
    assert await world.report(person(ALICE), *(world.report_of(token, watched_ms=2_000) for token in bad)) == [BAD_TOKEN] * len(bad)
    assert await world.report(guest("s2"), world.report_of(of_guest, watched_ms=2_000)) == [BAD_TOKEN]
    world.clock.advance(LIFE_MS - 3_000)
    assert await world.report(person(ALICE), world.report_of(mine, watched_ms=2_000)) == [BAD_TOKEN]
    assert await world.everything() == before
    assert await world.events(events_pb2.WatchRecorded) == []


async def test_no_changed_character_of_a_token_is_accepted(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(3_000)
    changed = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(0, len(token), 7)]
    for start in range(0, len(changed), 100):
        reports = [world.report_of(one, watched_ms=2_000) for one in changed[start : start + 100]]
        assert set(await world.report(person(ALICE), *reports)) == {BAD_TOKEN}


async def test_nothing_from_the_future_and_nothing_before_the_token(world: World) -> None:
    token = await token_of(world)
    minted_ms = world.clock.now_ms()
    world.clock.advance(60_000)
    now_ms = world.clock.now_ms()
    before = await world.everything()
    outside = [now_ms + FUTURE_SLACK_MS + 1, minted_ms - PAST_SLACK_MS - 1, 0, 2**62]
    reports = [world.report_of(token, watched_ms=1_000, at_ms=at_ms) for at_ms in outside]
    assert await world.report(person(ALICE), *reports) == [BAD_TIME] * 4
    assert await world.everything() == before
    inside = [now_ms + FUTURE_SLACK_MS, minted_ms - PAST_SLACK_MS, now_ms]
    assert await world.report(person(ALICE), *(world.report_of(token, watched_ms=1_000, at_ms=at) for at in inside)) == [ACCEPTED] * 3
    (watched,) = await world.rows(WatchedVideo)
    assert watched.watched_at_ms <= now_ms


async def test_own_views_do_not_count(world: World) -> None:
    owner = person(CREATOR + V)
    token = await token_of(world, owner)
    world.clock.advance(5_000)
    before = await world.everything()
    assert await world.report(owner, world.report_of(token, watched_ms=5_000)) == [OWN_VIDEO]
    assert await world.everything() == before
    assert await world.views(V) == [0]


@pytest.mark.parametrize(
    ("watched_ms", "loops", "view"),
    [(1_999, 0, 0), (2_000, 0, 1), (1_200, 1, 1), (800, 1, 1), (0, 0, 0)],
)
async def test_a_view_is_two_seconds_or_one_whole_loop(world: World, watched_ms: int, loops: int, view: int) -> None:
    await world.publish(video(8, duration_ms=1_000))
    token = await token_of(world, video_id=8)
    world.clock.advance(2_000)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=watched_ms, loops=loops)) == [ACCEPTED]
    assert await world.views(8) == [view]


@pytest.mark.parametrize(("after_ms", "view"), [(0, 0), (VIEW_MS - 1, 0), (VIEW_MS, 1)])
async def test_nobody_views_a_clip_sooner_than_a_view_takes(world: World, after_ms: int, view: int) -> None:
    token = await token_of(world)
    world.clock.advance(after_ms)
    # Within what a client's clock is forgiven, so it is recorded; a view it is not.
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=VIEW_MS)) == [ACCEPTED]
    assert await world.views(V) == [view]
    world.clock.advance(VIEW_MS)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=1)) == [ACCEPTED]
    assert await world.views(V) == [1]


async def test_whether_it_was_paused_is_told(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(5_000)
    reports = [world.report_of(token, watched_ms=1_000, paused=paused) for paused in (True, False)]
    assert await world.report(person(ALICE), *reports) == [ACCEPTED] * 2
    assert [event.paused for _, event in await world.events(events_pb2.WatchRecorded)] == [True, False]


async def test_a_view_counts_once_per_token_and_adds_up_over_reports(world: World) -> None:
    token = await token_of(world)
    outcomes = []
    views = []
    for _ in range(4):
        world.clock.advance(1_500)
        outcomes += await world.report(person(ALICE), world.report_of(token, watched_ms=1_500))
        views += await world.views(V)
    assert outcomes == [ACCEPTED] * 4
    assert views == [0, 1, 1, 1]
    assert await tally(world) == (1, 1, 6_000, 0, 0.6)
    assert [event.counted_view for _, event in await world.events(events_pb2.WatchRecorded)] == [False, True, False, False]
    again = await token_of(world)
    world.clock.advance(2_000)
    assert await world.report(person(ALICE), world.report_of(again, watched_ms=2_000)) == [ACCEPTED]
    assert await world.views(V) == [2]


async def test_at_most_ten_loops_count(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(25 * DURATION_MS)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=8 * DURATION_MS, loops=8)) == [ACCEPTED]
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=12 * DURATION_MS, loops=12)) == [ACCEPTED]
    assert await tally(world) == (1, 1, 10 * DURATION_MS, 10, 1.0)
    assert [event.loops for _, event in await world.events(events_pb2.WatchRecorded)] == [8, 2]


async def test_loops_that_nobody_watched_are_implausible(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(5 * DURATION_MS)
    before = await tally(world)
    reports = [world.report_of(token, watched_ms=watched_ms, loops=loops) for watched_ms, loops in [(7_999, 1), (0, 1), (15_000, 2)]]
    assert await world.report(person(ALICE), *reports) == [IMPLAUSIBLE] * 3
    assert await tally(world) == before == (0, 0, 0, 0, 0)
    # A loop may end in a later report than it began in.
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=9_000)) == [ACCEPTED]
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=1_000, loops=1)) == [ACCEPTED]
    assert await tally(world) == (1, 1, 10_000, 1, 1.0)


async def test_more_watching_than_time_went_by_since_the_token_is_implausible(world: World) -> None:
    token = await token_of(world)
    world.clock.advance(10_000)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=10_001 + WATCH_SLACK_MS)) == [IMPLAUSIBLE]
    assert await tally(world) == (0, 0, 0, 0, 0)
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=6_000)) == [ACCEPTED]
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=6_001)) == [IMPLAUSIBLE]
    assert await world.report(person(ALICE), world.report_of(token, watched_ms=6_000)) == [ACCEPTED]
    assert await tally(world) == (1, 1, 12_000, 0, 1.0)


async def many(world: World, who: Any, count: int) -> list[str]:
    return [await token_of(world, who) for _ in range(count)]


@pytest.mark.parametrize("at_once", [False, True], ids=["one batch", "many calls at once"])
async def test_nobody_watches_many_clips_at_the_same_time(world: World, at_once: bool) -> None:
    tokens = await many(world, person(ALICE), 30)
    world.clock.advance(10_000)
    reports = [world.report_of(token, watched_ms=10_000) for token in tokens]
    if at_once:
        outcomes = [outcome for (outcome,) in await asyncio.gather(*(world.report(person(ALICE), report) for report in reports))]
    else:
        outcomes = await world.report(person(ALICE), *reports)
    allowed = (10_000 + PERSON.ahead_ms) // int(10_000 / PERSON.factor)
    assert outcomes.count(ACCEPTED) == allowed == 7
    assert outcomes.count(IMPLAUSIBLE) == 23
    assert await world.views(V) == [7]
    # Somebody else is not held up by it.
    assert await world.report(person(BOB), world.report_of(await token_of(world, person(BOB)), watched_ms=1_000)) == [ACCEPTED]


async def guests_watch(world: World, count: int, clips: int, *, pseudonym: Callable[[int], str], pause_ms: int) -> list[int]:
    """Browser sessions that are all new watch as many clips each, all at the same time; every outcome."""
    sessions = [guest(f"s{next(world.numbers)}", address_pseudonym=pseudonym(number)) for number in range(count)]
    tokens = [await many(world, who, clips) for who in sessions]
    world.clock.advance(pause_ms)
    outcomes = []
    for who, own in zip(sessions, tokens, strict=True):
        outcomes += await world.report(who, *(world.report_of(token, watched_ms=VIEW_MS) for token in own))
    return outcomes


async def test_browser_sessions_of_one_network_share_its_pace(world: World) -> None:
    outcomes = await guests_watch(world, 20, 20, pseudonym=lambda _: "one network", pause_ms=VIEW_MS)
    allowed = (VIEW_MS + NETWORK.ahead_ms) // int(VIEW_MS / NETWORK.factor)
    assert (outcomes.count(ACCEPTED), outcomes.count(IMPLAUSIBLE)) == (allowed, 400 - allowed) == (88, 312)
    assert await world.views(V) == [88]
    # Neither are people elsewhere held up by it, nor those there who signed in.
    assert set(await guests_watch(world, 4, 1, pseudonym=lambda number: f"network {number}", pause_ms=0)) == {ACCEPTED}
    alice = person(ALICE, address_pseudonym="one network")
    assert await world.report(alice, world.report_of(await token_of(world, alice), watched_ms=1_000)) == [ACCEPTED]
    # A second later there is room for another eight seconds.
    assert (await guests_watch(world, 10, 1, pseudonym=lambda _: "one network", pause_ms=1_000)).count(ACCEPTED) == 4


async def test_viewers_of_whom_no_network_is_known_share_one_pace(world: World) -> None:
    assert (await guests_watch(world, 10, 20, pseudonym=lambda _: "", pause_ms=VIEW_MS)).count(ACCEPTED) == 88


async def test_eight_guests_of_one_network_watch_all_evening(world: World) -> None:
    guests = [guest(f"s{number}", address_pseudonym="home") for number in range(8)]
    for _ in range(12):
        tokens = [await token_of(world, who) for who in guests]
        world.clock.advance(15_000)
        for who, token in zip(guests, tokens, strict=True):
            assert await world.report(who, world.report_of(token, watched_ms=15_000)) == [ACCEPTED]
    assert await world.views(V) == [96]


async def test_an_honest_day_of_watching_is_never_implausible(world: World) -> None:
    for _ in range(30):
        tokens = await many(world, person(ALICE), 4)
        reports = []
        for token in tokens:
            world.clock.advance(25_000)
            reports.append(world.report_of(token, watched_ms=25_000))
        assert await world.report(person(ALICE), *reversed(reports)) == [ACCEPTED] * 4


async def test_old_tokens_do_not_save_up_time(world: World) -> None:
    tokens = await many(world, person(ALICE), 60)
    world.clock.advance(12 * 3_600_000)
    reports = [world.report_of(token, watched_ms=60_000) for token in tokens]
    outcomes = await world.report(person(ALICE), *reports)
    assert outcomes.count(ACCEPTED) == (PACE_WINDOW_MS + PERSON.ahead_ms) // int(60_000 / PERSON.factor) == 46


async def test_the_pace_row_names_nobody_and_ends_with_its_window(world: World) -> None:
    for who in (person(ALICE), person(BOB, consent=False), guest("s1", address_pseudonym="a network")):
        token = await token_of(world, who)
        world.clock.advance(3_000)
        assert await world.report(who, world.report_of(token, watched_ms=3_000)) == [ACCEPTED]
    rows = await world.rows(ViewerPace)
    assert len(rows) == 3
    assert "a network" not in repr(await world.everything())
    for row in rows:
        assert str(ALICE) != row.pace_key != str(BOB)
        assert row.expires_at_ms == row.paid_until_ms + PACE_WINDOW_MS
    world.clock.advance(PACE_WINDOW_MS)
    assert await world.rows(ViewerPace) == []


@pytest.mark.parametrize("who", [person(ALICE, consent=False), guest("s1")], ids=["no consent", "anonymous"])
async def test_without_consent_nothing_ties_a_watch_to_the_person(world: World, who: Any) -> None:
    token = await token_of(world, who)
    world.clock.advance(3_000)
    assert await world.report(who, world.report_of(token, watched_ms=3_000)) == [ACCEPTED]
    assert await world.views(V) == [1]
    assert await world.rows(WatchedVideo) == []
    ((envelope, event),) = await world.events(events_pb2.WatchRecorded)
    assert (event.viewer_id, list(envelope.subject_ids), event.token_id) == (0, [], "")
    ((envelope, served),) = await world.events(events_pb2.ImpressionServed)
    assert (served.viewer_id, list(envelope.subject_ids), [one.token_id for one in served.impressions]) == (0, [], [""])
    assert str(ALICE) not in repr(await world.everything())


async def test_counts_are_exact_after_thirty_writers_at_once(world: World) -> None:
    people = [person(1_000 + number) for number in range(30)]
    tokens = [await token_of(world, who) for who in people]
    world.clock.advance(30_000)
    reports = [[world.report_of(token, watched_ms=1_500) for _ in range(3)] for token in tokens]
    unheard = 0

    async def insist(who: Any, report: pb.WatchReport) -> int:
        nonlocal unheard
        while True:
            try:
                return (await world.report(who, report))[0]
            except (ResourceExhausted, DeadlineExceeded):
                # A busy machine lets calls wait until the server refuses them as stale, and may have counted one whose answer came too late.
                unheard += 1

    # Every report is sent twice at the same time, as by a client that lost patience.
    calls = [insist(who, report) for who, own in zip(people, reports, strict=True) for report in own for _ in range(2)]
    outcomes = await asyncio.gather(*calls)
    assert len(outcomes) == outcomes.count(ACCEPTED) + outcomes.count(DUPLICATE) == 180
    assert 90 - unheard <= outcomes.count(ACCEPTED) <= 90
    assert await world.views(V) == [30]
    assert await tally(world) == (30, 30, 30 * 4_500, 0, round(30 * 0.45, 6))
    assert len(await world.events(events_pb2.WatchRecorded)) == 90
    rows = [row for row in await world.rows(LedgerEntry) if not row.entry]
    assert 1 < len(rows) <= 8
    # What the next page ranks by is what the tables say.
    row = world.feed.corpus.columns.row(V)
    assert world.feed.corpus.columns.tokens[row] == 30
    assert world.feed.corpus.columns.shares[row] == pytest.approx(13.5)


async def test_counts_are_exact_when_two_processes_write_the_same_ledgers(world: World) -> None:
    people = [person(1_000 + number) for number in range(24)]
    tokens = [await token_of(world, who) for who in people]
    world.clock.advance(30_000)
    other = make_feed(world.tables, world.ids, world.clock, world.served.process, world.settings)
    async with serve(*other.services, service="feed", process=process_for("feed", clock=world.clock, named=NAMED)) as second:

        async def send(who: Any, report: pb.WatchReport, served: Served) -> int:
            request = pb.ReportWatchRequest(reports=[report])
            while True:
                try:
                    return (await served.stub(SignalServiceStub, viewer=who).ReportWatch(request)).outcomes[0]
                except Aborted:
                    continue

        reports = [world.report_of(token, watched_ms=2_500) for token in tokens]
        servers = (world.served, second)
        calls = [send(who, report, served) for who, report in zip(people, reports, strict=True) for served in servers]
        outcomes = await asyncio.gather(*calls)
    assert (outcomes.count(ACCEPTED), outcomes.count(DUPLICATE)) == (24, 24)
    assert await tally(world) == (24, 24, 24 * 2_500, 0, 6.0)
    await world.feed.refresh()
    assert world.feed.corpus.columns.tokens[world.feed.corpus.columns.row(V)] == 24


async def test_a_crash_between_ledger_and_history_is_healed_by_the_clients_retry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(self: SignalStore, watched: WatchedVideo) -> None:
        raise TablesUnavailable("the process died here")

    token = await token_of(world)
    world.clock.advance(9_000)
    report = world.report_of(token, watched_ms=9_000)
    with monkeypatch.context() as patched:
        patched.setattr(SignalStore, "remember", dies)
        with pytest.raises(Unavailable):
            await world.report(person(ALICE), report)
    assert await world.rows(WatchedVideo) == []
    assert await tally(world) == (1, 1, 9_000, 0, 0.9)
    assert await world.report(person(ALICE), report) == [DUPLICATE]
    (watched,) = await world.rows(WatchedVideo)
    assert (watched.viewer_id, watched.video_id, watched.share) == (ALICE, V, 0.9)
    assert await tally(world) == (1, 1, 9_000, 0, 0.9)


async def test_view_counts_are_answered_in_the_order_asked(world: World) -> None:
    await world.publish(*(video(number) for number in range(20, 23)))
    for number, views in ((20, 2), (22, 1)):
        for _ in range(views):
            await world.watch(person(ALICE), number, watched_ms=2_000)
    assert await world.views(22, 999, 20, 21, 20) == [1, 0, 2, 0, 2]
    assert await world.views(*range(1_000, 1_200)) == [0] * 200
    assert await world.views() == []
    with pytest.raises(InvalidArgument):
        await world.views(*range(201))


async def test_a_whole_batch_keeps_its_order(world: World) -> None:
    await world.publish(*(video(number, duration_ms=1_000) for number in range(100, 150)))
    tokens = await world.mint(person(ALICE), *range(100, 150))
    bob = await token_of(world, person(BOB))
    world.clock.advance(100_000)
    reports = [world.report_of(token, watched_ms=1_000, loops=1) for token in tokens.values()]
    mixed = [part for report in reports for part in (report, world.report_of(bob, watched_ms=1_000))]
    assert await world.report(person(ALICE), *mixed) == [ACCEPTED, BAD_TOKEN] * 50
    assert await world.views(*range(100, 150)) == [1] * 50


async def test_malformed_reports_are_refused_as_a_whole(world: World) -> None:
    token = await token_of(world)
    before = await world.everything()
    good = world.report_of(token, watched_ms=0)
    for bad in (
        pb.WatchReport(event_id="short", view_token=token),
        pb.WatchReport(event_id="x" * 65, view_token=token),
        pb.WatchReport(event_id="long enough"),
        world.report_of(token, watched_ms=-1),
        world.report_of(token, watched_ms=86_400_001),
        world.report_of(token, watched_ms=1, loops=-1),
        world.report_of(token, watched_ms=1, at_ms=-1),
    ):
        with pytest.raises(InvalidArgument):
            await world.report(person(ALICE), good, bad)
    for count in (0, 101):
        with pytest.raises(InvalidArgument):
            await world.report(person(ALICE), *[good] * count)
    assert await world.everything() == before


async def test_only_the_gateway_may_report(world: World) -> None:
    for caller in ("video", "stranger"):
        with pytest.raises(PermissionDenied):
            await world.served.stub(SignalServiceStub, caller=caller).BatchGetViewCounts(pb.BatchGetViewCountsRequest(video_ids=[1]))
