"""What a report of watching is worth: pure decisions over the token, what it reported before, and the time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clipmesh.feed.v1 import signal_service_pb2 as pb

from svc_feed.signals.tables import LedgerEntry, ViewerPace
from svc_feed.signals.tokens import ViewToken
from svc_feed.viewers import Watcher

MAX_LOOPS = 10
"""Loops that count (spec: at most 10)."""
VIEW_MS = 2_000
"""Watching that makes a view (spec: at least 2 s or one whole loop)."""
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
PACE_WINDOW_MS = 600_000
PACE_FACTOR = 1.5
PACE_SLACK_MS = 60_000
"""A viewer may claim 1.5 times the window plus a minute: several devices, not a farm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One stretch of watching as the client tells it."""

    event_id: str
    watched_ms: int
    loops: int
    at_ms: int


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
    if watched_before + report.watched_ms > now_ms - token.minted_at_ms + WATCH_SLACK_MS:
        return None
    if report.loops * token.duration_ms * LOOP_SHARE > report.watched_ms:
        return None
    most_ms = MAX_LOOPS * token.duration_ms
    watched_ms = max(0, min(report.watched_ms, most_ms - watched_before))
    loops = max(0, min(report.loops, MAX_LOOPS - loops_before))
    share_before = before.share_sum if before else 0.0
    total_ms = watched_before + watched_ms
    share_after = max(share_before, min(1.0, total_ms / max(1, token.duration_ms)))
    viewed = total_ms >= VIEW_MS or loops_before + loops >= 1
    return Counted(
        watched_ms=watched_ms,
        loops=loops,
        share_before=share_before,
        share_after=share_after,
        makes_view=viewed and not (before and before.views),
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
    return replace(
        base,
        views=base.views + counted.makes_view,
        tokens=base.tokens + first,
        watched_ms=base.watched_ms + counted.watched_ms,
        loops=base.loops + counted.loops,
        share_sum=base.share_sum + gained,
        score=decayed(base.score, since_ms=base.score_at_ms, now_ms=now_ms) + gained,
        score_at_ms=now_ms,
    )


def too_fast(pace: ViewerPace | None, watched_ms: int, *, now_ms: int) -> bool:
    """True when a viewer would have watched more in the window than a person can."""
    if pace is None or now_ms - pace.window_start_ms >= PACE_WINDOW_MS:
        return False
    return pace.watched_ms + watched_ms > (now_ms - pace.window_start_ms) * PACE_FACTOR + PACE_SLACK_MS


def pace_after(pace: ViewerPace, watched_ms: int, *, now_ms: int) -> ViewerPace:
    """The pace with more watching; a new window when the old one is over."""
    if now_ms - pace.window_start_ms >= PACE_WINDOW_MS:
        return replace(
            pace,
            window_start_ms=now_ms - min(watched_ms, PACE_WINDOW_MS - 1),
            watched_ms=watched_ms,
            expires_at_ms=now_ms + 2 * PACE_WINDOW_MS,
        )
    return replace(pace, watched_ms=pace.watched_ms + watched_ms)
