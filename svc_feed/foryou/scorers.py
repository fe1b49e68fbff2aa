"""Scorers: each adds its part to a candidate's score, in the order of the list."""

from __future__ import annotations

import math
import zlib
from typing import Protocol

from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.hydrators import features
from svc_feed.foryou.query import Candidate, Query

PRIOR_SHARE = 0.4
"""Watch share of a clip that nobody has watched."""
PRIOR_TOKENS = 5.0
"""How many imagined watches the prior is worth."""
FRESH_HALF_LIFE_MS = 24 * 3_600_000
FRESH_WEIGHT = 0.25
TASTE_WEIGHT = 1.2
EXPLORE_WEIGHT = 0.05
SEEN_LONG_AGO_WEIGHT = 0.3


class Scorer(Protocol):
    """Adds to scores."""

    name: str

    def enabled(self, query: Query) -> bool:
        """Whether it has anything to add for this query."""
        ...

    def score(self, query: Query, candidate: Candidate) -> float:
        """What to add."""
        ...


class Quality:
    """Expected watch share: the mean over all viewers, pulled towards PRIOR_SHARE while few have watched."""

    name = "score.quality"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def score(self, query: Query, candidate: Candidate) -> float:
        """0 to 1."""
        popularity = self._corpus.popularity(candidate.video.video_id)
        return (popularity.share_sum + PRIOR_SHARE * PRIOR_TOKENS) / (popularity.tokens + PRIOR_TOKENS)


class Freshness:
    """New clips get a chance."""

    name = "score.freshness"

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def score(self, query: Query, candidate: Candidate) -> float:
        """FRESH_WEIGHT at birth, half of it after FRESH_HALF_LIFE_MS."""
        age_ms = max(0, query.now_ms - candidate.video.published_at_ms)
        return float(FRESH_WEIGHT * 0.5 ** (age_ms / FRESH_HALF_LIFE_MS))


class Taste:
    """What the person liked before: category, creator, hashtags."""

    name = "score.taste"

    def enabled(self, query: Query) -> bool:
        """With tastes, so only with consent."""
        return bool(query.tastes)

    def score(self, query: Query, candidate: Candidate) -> float:
        """TASTE_WEIGHT times the mean of the tastes the clip speaks to."""
        video = candidate.video
        names = features(video.category, video.creator_id, video.hashtags)
        return TASTE_WEIGHT * sum(query.tastes.get(name, 0.0) for name in names) / math.sqrt(len(names))


class Language:
    """Clips in a language the viewer reads, or in none."""

    name = "score.language"

    def enabled(self, query: Query) -> bool:
        """When the viewer named languages."""
        return bool(query.watcher.languages)

    def score(self, query: Query, candidate: Candidate) -> float:
        """A small malus for other languages."""
        language = candidate.video.language.partition("-")[0].lower()
        known = {tag.partition("-")[0].lower() for tag in query.watcher.languages}
        return 0.0 if not language or language in known else -0.1


class SeenLongAgo:
    """When everything was seen: what was watched longest ago and liked best comes first."""

    name = "score.seen_long_ago"

    def enabled(self, query: Query) -> bool:
        """Only when seen clips may come again."""
        return query.rewatch

    def score(self, query: Query, candidate: Candidate) -> float:
        """Grows with the days since, at most SEEN_LONG_AGO_WEIGHT."""
        watched = query.history.get(candidate.video.video_id)
        if watched is None:
            return SEEN_LONG_AGO_WEIGHT
        days = max(0, query.now_ms - watched.watched_at_ms) / 86_400_000
        return SEEN_LONG_AGO_WEIGHT * (1 - math.exp(-days))


class Explore:
    """A little chance, the same within a session so that pages agree."""

    name = "score.explore"

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def score(self, query: Query, candidate: Candidate) -> float:
        """0 to EXPLORE_WEIGHT by the hash of session and video."""
        noise = zlib.crc32(f"{query.session_id}:{candidate.video.video_id}".encode()) / 0xFFFFFFFF
        return EXPLORE_WEIGHT * noise
