"""What the feed counts."""

from __future__ import annotations

from typing import Final

from clipmesh.feed.v1 import signal_service_pb2 as pb

from mesh.metrics import Kind, Metric

STAGES: Final = frozenset(
    {
        "session", "hydrate.history", "source.fresh", "source.popular", "filter.not_visible", "filter.own", "filter.played", "filter.seen", "filter.barred",
        "score.quality", "score.freshness", "score.taste", "score.language", "score.seen_long_ago", "score.explore", "select",
        "effect.impressions", "serve",
    }
)  # fmt: skip
"""Names of the stages of For You."""

STAGE_SECONDS: Final = Metric(
    name="feed_stage_seconds",
    kind=Kind.HISTOGRAM,
    help="How long one stage of a For You page took.",
    labels={"stage": STAGES},
    when_it_moves="The stage that grew is the one to look at: session, hydrate and serve wait for the tables, all others are our own CPU.",
)
STAGE_FAILURES: Final = Metric(
    name="feed_stage_failures_total",
    kind=Kind.COUNTER,
    help="Stages that gave nothing because they failed or ran out of time; their pages were degraded.",
    labels={"stage": STAGES},
    when_it_moves="The log names the error. session, hydrate, serve and effect.impressions (also counts view tokens of other surfaces "
    "that were given untold): look at dependency_up of tables. Others: a bug.",
)
REMOVED: Final = Metric(
    name="feed_filtered_total",
    kind=Kind.COUNTER,
    help="Candidates that a filter removed.",
    labels={"stage": STAGES},
    when_it_moves="filter.seen near all of the candidates: the corpus is too small for its viewers.",
)
PAGES: Final = Metric(
    name="feed_pages_total",
    kind=Kind.COUNTER,
    help="For You pages by the policy that made them; stored: the same page asked again.",
    labels={"policy": frozenset({"personal", "contextual", "rewatch", "stored"})},
    when_it_moves="More rewatch: viewers have seen everything there is. Fewer personal: consents were withdrawn or histories cannot be read.",
)
WATCH_REPORTS: Final = Metric(
    name="feed_watch_reports_total",
    kind=Kind.COUNTER,
    help="Reports of watching by their outcome.",
    labels={"outcome": frozenset(name.removeprefix("WATCH_OUTCOME_").lower() for name, _ in pb.WatchOutcome.items())},
    when_it_moves="More implausible or bad_token: somebody tries to buy views, or a client's clock or token handling broke with a release.",
)


def outcome_name(outcome: pb.WatchOutcome.ValueType) -> str:
    """An outcome as a label."""
    return pb.WatchOutcome.Name(outcome).removeprefix("WATCH_OUTCOME_").lower()
