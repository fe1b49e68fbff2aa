"""What a report is worth, at the borders of every rule."""

from __future__ import annotations

import pytest

from svc_feed.foryou.hydrators import tastes_of
from svc_feed.signals.rules import (
    HALF_LIFE_MS,
    PACE_AHEAD_MS,
    PACE_FACTOR,
    PACE_WINDOW_MS,
    Claim,
    Report,
    count,
    decayed,
    tally_after,
    within_pace,
)
from svc_feed.signals.tables import LedgerEntry, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import ViewToken
from svc_feed.signed import Signer

NOW_MS = 1_760_000_000_000


def token(*, minted_ms: int = NOW_MS, duration_ms: int = 10_000) -> ViewToken:
    return ViewToken(
        token_id="t", video_id=1, creator_id=2, duration_ms=duration_ms, viewer_key="3", surface=1, session="", minted_at_ms=minted_ms
    )


def report(watched_ms: int, loops: int = 0) -> Report:
    return Report(event_id="e", watched_ms=watched_ms, loops=loops, at_ms=NOW_MS)


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


def fits(pace: ViewerPace, *watched_ms: int, now_ms: int = NOW_MS, minted_ms: int = 0) -> tuple[ViewerPace, list[bool]]:
    return within_pace(pace, [Claim(token=token(minted_ms=minted_ms), report=report(ms)) for ms in watched_ms], now_ms=now_ms)


def test_pace_at_its_border() -> None:
    nobody = ViewerPace(pace_key="k")
    most_ms = int(PACE_AHEAD_MS * PACE_FACTOR)
    assert fits(nobody, most_ms, minted_ms=NOW_MS)[1] == [True]
    assert fits(nobody, most_ms + 2, minted_ms=NOW_MS)[1] == [False]
    paid, answers = fits(nobody, most_ms, 0, 2, minted_ms=NOW_MS)
    assert answers == [True, True, False]
    assert (paid.paid_until_ms, paid.expires_at_ms) == (NOW_MS + PACE_AHEAD_MS, NOW_MS + PACE_AHEAD_MS + PACE_WINDOW_MS)
    # A second later there is room for one and a half seconds more.
    assert fits(paid, 1_500, 2, now_ms=NOW_MS + 1_000)[1] == [True, False]


def test_an_expired_pace_refuses_nothing_that_its_row_would_have_allowed_and_the_other_way_round() -> None:
    row = ViewerPace(pace_key="k", paid_until_ms=NOW_MS - PACE_WINDOW_MS, expires_at_ms=NOW_MS)
    for watched_ms in (1, PACE_WINDOW_MS, int(PACE_WINDOW_MS * PACE_FACTOR), int((PACE_WINDOW_MS + PACE_AHEAD_MS) * PACE_FACTOR) + 2):
        assert fits(row, watched_ms) == fits(ViewerPace(pace_key="k"), watched_ms)


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
