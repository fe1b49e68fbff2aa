"""Pure decisions about affinities: what an act weighs, and how its weight fades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from clipmesh.social.v1 import engagement_service_pb2 as pb

from svc_feed.affinities.tables import ViewerComment, ViewerEngagement

HALF_LIFE_MS = 30 * 86_400_000
"""Half-life of an act's weight: a month. Tastes in people last longer than a video's popularity."""
LIFE_MS = 180 * 86_400_000
"""How long an act is remembered: half a year, as what was watched; it weighs 1/64 by then."""

WEIGHTS: Mapping[int, float] = {
    pb.ENGAGEMENT_KIND_LIKE: 1.0,
    pb.ENGAGEMENT_KIND_SAVE: 2.0,
    pb.ENGAGEMENT_KIND_REPOST: 2.0,
    pb.ENGAGEMENT_KIND_SHARE: 3.0,
    pb.ENGAGEMENT_KIND_COMMENT: 3.0,
}
"""What a fresh act weighs, by kind: the more it asks of a person, the more."""


def strengths(rows: Iterable[ViewerEngagement | ViewerComment], *, now_ms: int) -> dict[int, float]:
    """Engagement strength by creator: the sum of weights, each halved for every HALF_LIFE_MS since the act."""
    found: dict[int, float] = {}
    for row in rows:
        if row.active:
            kind = row.kind if isinstance(row, ViewerEngagement) else pb.ENGAGEMENT_KIND_COMMENT
            faded = WEIGHTS.get(kind, 0.0) * 0.5 ** (max(0, now_ms - row.acted_at_ms) / HALF_LIFE_MS)
            found[row.creator_id] = found.get(row.creator_id, 0.0) + faded
    return found
