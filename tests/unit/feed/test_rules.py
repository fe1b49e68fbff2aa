"""What a report is worth, at the borders of every rule."""

from __future__ import annotations

import math

import pytest

from mesh.testing.rpc import viewer
from svc_feed.foryou.hydrators import tastes_of
from svc_feed.signals.rules import (
    HALF_LIFE_MS,
    NETWORK,
    PACE_WINDOW_MS,
    PERSON,
    VIEW_MS,
    Allowance,
    Claim,
    Report,
    allowance_of,
    count,
    decayed,
    tally_after,
    within_pace,
)
from svc_feed.signals.tables import LedgerEntry, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import ViewToken
from svc_feed.signed import Signer
from svc_feed.viewers import watcher_of
from svc_video.lengths import SHORTEST_MS

NOW_MS = 1_760_000_000_000


def token(*, minted_ms: int = NOW_MS, duration_ms: int = 10_000) -> ViewToken:
    return ViewToken(
        token_id="t", video_id=1, creator_id=2, duration_ms=duration_ms, viewer_key="3", surface=1, session="", minted_at_ms=minted_ms
    )


def report(watched_ms: int, loops: int = 0) -> Report:
    return Report(event_id="e", watched_ms=watched_ms, loops=loops, paused=False, at_ms=NOW_MS)


def test_a_clip_without_a_length_earns_neither_loops_nor_shares_for_nothing() -> None:
    assert count(token(duration_ms=0), report(0, loops=3), None, now_ms=NOW_MS) is None
    counted = count(token(duration_ms=0), report(1_500), None, now_ms=NOW_MS)
    assert counted is not None
    assert (counted.watched_ms, counted.share_after, counted.makes_view) == (0, 0.0, False)


def test_shares_never_fall_and_never_exceed_one() -> None:
    before = LedgerEntry(video_id=1, shard=0, entry="t:t", watched_ms=99_000, loops=9, share_sum=1.0, views=1)
    counted = count(token(), report(50_000, loops=5), before, now_ms=NOW_MS + 10**6)
    assert counted is not None
    assert (counted.watched_ms, counted.loops, counted.share_after, counted.makes_view) == (1_000, 1, 1.0, False)


def test_a_tally_decays_by_half_in_its_half_life_and_does_not_grow_when_the_clock_steps_back() -> None:
    assert decayed(8.0, since_ms=NOW_MS, now_ms=NOW_MS + 3 * HALF_LIFE_MS) == 1.0
    assert decayed(8.0, since_ms=NOW_MS, now_ms=NOW_MS - HALF_LIFE_MS) == 8.0
    before = LedgerEntry(video_id=1, shard=0, entry="", score=1.0, score_at_ms=NOW_MS, tokens=1, share_sum=1.0, version=1)
    counted = count(token(minted_ms=NOW_MS - 10_000), report(5_000), None, now_ms=NOW_MS)
    assert counted is not None
    later = tally_after(token(), before, counted, shard=0, first=True, now_ms=NOW_MS + HALF_LIFE_MS)
    assert (later.score, later.score_at_ms, later.tokens, later.share_sum) == (1.0, NOW_MS + HALF_LIFE_MS, 2, 1.5)
    back = tally_after(token(), before, counted, shard=0, first=True, now_ms=NOW_MS - HALF_LIFE_MS)
    assert (back.score, back.score_at_ms) == (1.5, NOW_MS)


def fits(
    allowance: Allowance, pace: ViewerPace, *watched_ms: int, now_ms: int = NOW_MS, minted_ms: int = 0
) -> tuple[ViewerPace, list[bool]]:
    return within_pace(pace, [Claim(token=token(minted_ms=minted_ms), report=report(ms)) for ms in watched_ms], allowance, now_ms=now_ms)


@pytest.mark.parametrize("allowance", [PERSON, NETWORK], ids=["person", "network"])
def test_pace_at_its_border(allowance: Allowance) -> None:
    nobody = ViewerPace(pace_key="k")
    most_ms, step_ms = int(allowance.ahead_ms * allowance.factor), math.ceil(allowance.factor)
    assert fits(allowance, nobody, most_ms, minted_ms=NOW_MS)[1] == [True]
    assert fits(allowance, nobody, most_ms + step_ms, minted_ms=NOW_MS)[1] == [False]
    paid, answers = fits(allowance, nobody, most_ms, 0, step_ms, minted_ms=NOW_MS)
    assert answers == [True, True, False]
    assert (paid.paid_until_ms, paid.expires_at_ms) == (NOW_MS + allowance.ahead_ms, NOW_MS + allowance.ahead_ms + PACE_WINDOW_MS)
    # A second later there is room for a second more, times the factor.
    assert fits(allowance, paid, int(1_000 * allowance.factor), step_ms, now_ms=NOW_MS + 1_000)[1] == [True, False]


@pytest.mark.parametrize("allowance", [PERSON, NETWORK], ids=["person", "network"])
def test_an_expired_pace_refuses_nothing_that_its_row_would_have_allowed_and_the_other_way_round(allowance: Allowance) -> None:
    row = ViewerPace(pace_key="k", paid_until_ms=NOW_MS - PACE_WINDOW_MS, expires_at_ms=NOW_MS)
    window_ms, most_ms = (int(ms * allowance.factor) for ms in (PACE_WINDOW_MS, PACE_WINDOW_MS + allowance.ahead_ms))
    for watched_ms in (1, PACE_WINDOW_MS, window_ms, most_ms + math.ceil(allowance.factor)):
        assert fits(allowance, row, watched_ms) == fits(allowance, ViewerPace(pace_key="k"), watched_ms)


def test_whoever_is_signed_in_is_paced_alone_and_everybody_else_by_the_network() -> None:
    people = [watcher_of(viewer(user_id=5, session_id=session, address_pseudonym="home")) for session in ("a", "b")]
    guests = [watcher_of(viewer(session_id=session, address_pseudonym="home")) for session in ("a", "b")]
    assert {(one.pace_key, allowance_of(one).factor) for one in people} == {("5", PERSON.factor)}
    assert {(one.pace_key, allowance_of(one).factor) for one in guests} == {("a:home", NETWORK.factor)}
    assert watcher_of(viewer(session_id="a", address_pseudonym="5")).pace_key != people[0].pace_key


def test_no_clip_is_shorter_than_a_view() -> None:
    assert VIEW_MS < SHORTEST_MS


@pytest.mark.parametrize(
    ("shares", "liking"), [([1.0], 0.5 / 3), ([0.0], -0.5 / 3), ([0.5, 0.5], 0.0), ([1.0] * 98, 0.49), ([0.05, 1.0], 0.05 / 4)]
)
def test_tastes_are_shrunk_means(shares: list[float], liking: float) -> None:
    rows = [
        WatchedVideo(viewer_id=1, offered_at_ms=n, token_id="t", creator_id=7, category=3, share=share) for n, share in enumerate(shares)
    ]
    assert tastes_of(rows) == {"creator:7": pytest.approx(liking), "category:3": pytest.approx(liking)}


def test_pseudonyms_do_not_run_into_one_another() -> None:
    signer = Signer(b"k" * 32)
    names = {signer.pseudonym(*parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("", "abc"))}
    assert len(names) == 5
    assert signer.pseudonym("a", "b") == Signer(b"k" * 32).pseudonym("a", "b") != Signer(b"j" * 32).pseudonym("a", "b")
