"""Scorers: each adds its part to the candidates' scores."""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np

from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.query import FloatArray, IntArray, Query

PRIOR_SHARE = 0.4
"""Watch share of a clip that nobody has watched."""
PRIOR_TOKENS = 5.0
"""How many imagined watches the prior is worth."""
FRESH_HALF_LIFE_MS = 24 * 3_600_000
FRESH_WEIGHT = 0.25
TASTE_WEIGHT = 1.2
OTHER_LANGUAGE = -0.1
EXPLORE_WEIGHT = 0.05
SEEN_LONG_AGO_WEIGHT = 0.3
DAY_MS = 86_400_000


class Scorer(Protocol):
    """Adds to scores; a failed one adds nothing and is named in `degraded`."""

    name: str

    def enabled(self, query: Query) -> bool:
        """Whether it has anything to add for this query."""
        ...

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """What to add to each row of the corpus."""
        ...


class Quality:
    """Expected watch share: the mean over all viewers, pulled towards PRIOR_SHARE while few have watched."""

    name = "score.quality"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """0 to 1."""
        columns = self._corpus.columns
        return (columns.shares[rows] + PRIOR_SHARE * PRIOR_TOKENS) / (columns.tokens[rows] + PRIOR_TOKENS)


class Freshness:
    """New clips get a chance."""

    name = "score.freshness"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """FRESH_WEIGHT at birth, half of it after FRESH_HALF_LIFE_MS."""
        age_ms = np.maximum(0, query.now_ms - self._corpus.columns.published_at_ms[rows])
        return FRESH_WEIGHT * np.exp2(-age_ms / FRESH_HALF_LIFE_MS)


class Taste:
    """What the person liked before: category, creator, hashtags."""

    name = "score.taste"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """With tastes, so only with consent."""
        return bool(query.tastes)

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """TASTE_WEIGHT times the sum of the tastes the clip speaks to, over the root of how many it speaks to."""
        columns = self._corpus.columns
        features = columns.features[rows]
        liked = columns.weights(query.tastes)[features].sum(axis=1)
        added: FloatArray = TASTE_WEIGHT * liked / np.sqrt(np.maximum(1, (features > 0).sum(axis=1)))
        return added


class Language:
    """Clips in a language the viewer reads, or in none."""

    name = "score.language"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """When the viewer named languages."""
        return bool(query.watcher.languages)

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """A small malus for other languages."""
        columns = self._corpus.columns
        known = [0, *columns.language_numbers(query.watcher.languages)]
        return np.where(np.isin(columns.languages[rows], known), 0.0, OTHER_LANGUAGE)


class SeenLongAgo:
    """When everything was seen: what was watched longest ago comes first."""

    name = "score.seen_long_ago"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Only when seen clips may come again."""
        return query.rewatch

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """Grows with the days since, at most SEEN_LONG_AGO_WEIGHT, which unseen clips get."""
        there, places = query.watched.find(self._corpus.columns.ids[rows])
        if not there.any():
            return np.full(len(rows), SEEN_LONG_AGO_WEIGHT)
        days = np.maximum(0, query.now_ms - query.watched.at_ms[places]) / DAY_MS
        return SEEN_LONG_AGO_WEIGHT * np.where(there, 1 - np.exp(-days), 1.0)


class Explore:
    """A little chance, the same within a session so that pages agree."""

    name = "score.explore"

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def score(self, query: Query, rows: IntArray) -> FloatArray:
        """0 to EXPLORE_WEIGHT by a hash of session and video (the finaliser of SplitMix64)."""
        mixed = self._corpus.columns.ids[rows].astype(np.uint64) ^ np.uint64(
            zlib.crc32(query.session_id.encode()) * 0x9E3779B97F4A7C15 % 2**64
        )
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return EXPLORE_WEIGHT * ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53
