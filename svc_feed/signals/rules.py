"""What a report of watching is worth: pure decisions over the token, what it reported before, and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipmesh.feed.v1 import signal_service_pb2 as pb

from svc_feed.signals.tables import LedgerEntry, ViewerPace
from svc_feed.signals.tokens import ViewToken
from svc_feed.viewers import Watcher

MAX_LOOPS = 10
"""Loops that count (spec: at most 10)."""
VIEW_MS = 2_000
"""Watching that makes a view (spec: at least 2 s or one whole loop). So much time has to go by since the token too: no clip is shorter, so that
nobody can have seen either in less, whatever WATCH_SLACK_MS forgives."""
FUTURE_SLACK_MS = 2_000
"""How far a client's clock may run ahead."""
PAST_SLACK_MS = 30_000
"""How far a client's clock may lag behind the token."""
WATCH_SLACK_MS = 2_000
"""How much more than the time since the token a client may claim: clocks and rounding."""
LOOP_SHARE = 0.8
"""Every claimed loop needs at least this share of the clip's length in watching."""
HALF_LIFE_MS = 6 * 3_600_000
"""Half-life of the popularity score, six hours."""
PACE_WINDOW_MS = 30 * 60_000
"""How far back unused time still counts: one report of a person may tell of at most 45 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How fast the claims of one pace may come."""

    factor: float
    """How much more than time goes by may be watched for long."""
    ahead_ms: int
    """How far claims may run ahead of time."""


PERSON = Allowance(factor=1.5, ahead_ms=40_000)
"""A signed-in person: several devices, not a farm; a minute of watching at once, for reports that come late and together."""
NETWORK = Allowance(factor=8.0, ahead_ms=20_000)
"""Everybody anonymous behind one address: a family or a small office, eight who watch all the time. Their reports meet in one row, so one may come
while the others' time is not over: 20 s ahead of it, or 160 s of watching. A view takes VIEW_MS, so that a farm of browser sessions gets 80 views
at once and four a second after, where it had as many as it could send. Behind a carrier's address more people than that go uncounted: who signs in
has a pace of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One stretch of watching as the client tells it."""

    event_id: str
    watched_ms: int
    loops: int
    paused: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A report with its genuine token."""

    token: ViewToken
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a report adds."""

    watched_ms: int
    loops: int
    share_before: float
    share_after: float
    makes_view: bool


def refusal(token: ViewToken | None, report: Report, watcher: Watcher, *, now_ms: int) -> pb.WatchOutcome.ValueType | None:
    """Why a report cannot count, judged without history; None when it can."""
    if token is None or token.viewer_key != watcher.key or now_ms >= token.expires_at_ms:
        return pb.WATCH_OUTCOME_BAD_TOKEN
    if report.at_ms > now_ms + FUTURE_SLACK_MS or report.at_ms < token.minted_at_ms - PAST_SLACK_MS:
        return pb.WATCH_OUTCOME_BAD_TIME
    if watcher.user_id and watcher.user_id == token.creator_id:
        return pb.WATCH_OUTCOME_OWN_VIDEO
    return None


def count(token: ViewToken, report: Report, before: LedgerEntry | None, *, now_ms: int) -> Counted | None:
    """What the report adds to its token; None when it claims more watching than time went by, or loops that nobody watched."""
    watched_before = before.watched_ms if before else 0
    loops_before = before.loops if before else 0
    claimed_ms, claimed_loops = watched_before + report.watched_ms, min(MAX_LOOPS, loops_before + report.loops)
    elapsed_ms = now_ms - token.minted_at_ms
    if claimed_ms > elapsed_ms + WATCH_SLACK_MS:
        return None
    # A loop may have begun in an earlier report, so loops are held against all of the token's watching.
    if claimed_loops and claimed_ms < max(1, claimed_loops * token.duration_ms * LOOP_SHARE):
        return None
    total_ms = min(claimed_ms, MAX_LOOPS * token.duration_ms)
    share_before = before.share_sum if before else 0.0
    return Counted(
        watched_ms=total_ms - watched_before,
        loops=claimed_loops - loops_before,
        share_before=share_before,
        share_after=max(share_before, min(1.0, total_ms / max(1, token.duration_ms))),
        makes_view=elapsed_ms >= VIEW_MS and (total_ms >= VIEW_MS or claimed_loops >= 1) and not (before and before.views),
    )


def decayed(score: float, *, since_ms: int, now_ms: int) -> float:
    """A score after the time since it was written: halves every HALF_LIFE_MS."""
    return float(score * 0.5 ** (max(0, now_ms - since_ms) / HALF_LIFE_MS))


def token_after(token: ViewToken, before: LedgerEntry | None, counted: Counted, *, shard: int) -> LedgerEntry:
    """The token's entry after the report."""
    base = before or LedgerEntry(video_id=token.video_id, shard=shard, entry=f"t:{token.token_id}", expires_at_ms=token.expires_at_ms)
    return replace(
        base,
        watched_ms=base.watched_ms + counted.watched_ms,
        loops=base.loops + counted.loops,
        share_sum=counted.share_after,
        views=1 if counted.makes_view else base.views,
    )


def tally_after(token: ViewToken, before: LedgerEntry | None, counted: Counted, *, shard: int, first: bool, now_ms: int) -> LedgerEntry:
    """The video's tally after the report; `first` when the token was never reported before."""
    base = before or LedgerEntry(video_id=token.video_id, shard=shard, entry="")
    gained = counted.share_after - counted.share_before
    at_ms = max(now_ms, base.score_at_ms)
    return replace(
        base,
        views=base.views + counted.makes_view,
        tokens=base.tokens + first,
        watched_ms=base.watched_ms + counted.watched_ms,
        loops=base.loops + counted.loops,
        share_sum=base.share_sum + gained,
        score=decayed(base.score, since_ms=base.score_at_ms, now_ms=at_ms) + gained,
        score_at_ms=at_ms,
    )


def allowance_of(watcher: Watcher) -> Allowance:
    """How fast the claims under the watcher's pace key may come."""
    return PERSON if watcher.user_id else NETWORK


def within_pace(pace: ViewerPace, claims: Sequence[Claim], allowance: Allowance, *, now_ms: int) -> tuple[ViewerPace, list[bool]]:
    """Which claims can have been watched, answered in their order, and the pace with those.

    Each piece of watching lies behind the one before it and behind its token, shortened by the allowance's factor; it must end at most its
    `ahead_ms` from now. A missing row is the same as one that was paid until PACE_WINDOW_MS ago, so the row may go by then.
    """
    paid_until_ms = max(pace.paid_until_ms, now_ms - PACE_WINDOW_MS)
    fits = [False] * len(claims)
    # What was offered first was watched first, whatever order the reports came in.
    for index, claim in sorted(enumerate(claims), key=lambda entry: entry[1].token.minted_at_ms):
        end_ms = max(paid_until_ms, claim.token.minted_at_ms) + int(claim.report.watched_ms / allowance.factor)
        if end_ms <= now_ms + allowance.ahead_ms:
            fits[index] = True
            paid_until_ms = end_ms
    return replace(pace, paid_until_ms=paid_until_ms, expires_at_ms=paid_until_ms + PACE_WINDOW_MS), fits
