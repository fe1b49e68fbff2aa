"""What the media edge counts, and what to do when it moves."""

from __future__ import annotations

from typing import Final

from mesh.metrics import Kind, Metric

SERVED: Final = "OK"
CUT: Final = "CUT"
"""An answer that began and was not brought to its end: revoked or expired meanwhile, or the store or the reader stalled."""

ANSWERS: Final = Metric(
    name="gateway_media_answers_total",
    kind=Kind.COUNTER,
    help="Answers of the media edge by their code, OK for bytes; CUT counts answers again that were not brought to their end.",
    labels={
        "code": frozenset(
            {
                *(SERVED, CUT, "GRANT_INVALID", "GRANT_EXPIRED", "GRANT_REVOKED", "REVOCATIONS_STALE", "NOT_FOUND", "PATH_NOT_ALLOWED"),
                *("RANGE_NOT_SATISFIABLE", "METHOD_NOT_ALLOWED", "STORE_UNAVAILABLE", "OVERLOADED"),
            }
        )
    },
    when_it_moves="REVOCATIONS_STALE: video is away, and nothing plays until it is back. STORE_UNAVAILABLE: look at dependency_up of blobs. OVERLOADED: "
    "add gateways, or one network takes all its places. GRANT_EXPIRED alone: players that stood still. NOT_FOUND: video_missing_bytes.",
)
BEGIN_SECONDS: Final = Metric(
    name="gateway_media_begin_seconds",
    kind=Kind.HISTOGRAM,
    help="From a request to the media edge to the beginning of its answer.",
    when_it_moves="Above 0.1 for the slowest tenth: the store of objects is slow, or gateway_loop_late_seconds is high; clips then start late.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0),
)
