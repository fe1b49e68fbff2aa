"""What a pipeline works on: the question with what hydrators found, and the candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from svc_feed.viewers import Watcher

IntArray: TypeAlias = NDArray[np.integer]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]


def _none() -> IntArray:
    return np.zeros(0, np.int64)


@dataclass(slots=True, kw_only=True)
class Watched:
    """Videos with the time of their last watch, by video id."""

    ids: IntArray = field(default_factory=_none)
    """Sorted."""
    at_ms: IntArray = field(default_factory=_none)

    @classmethod
    def of(cls, last_at_ms: Mapping[int, int]) -> Watched:
        """From times by video id."""
        ids, at_ms = np.array(list(last_at_ms), np.int64), np.array(list(last_at_ms.values()), np.int64)
        order = np.argsort(ids)
        return cls(ids=ids[order], at_ms=at_ms[order])

    def find(self, ids: IntArray) -> tuple[BoolArray, IntArray]:
        """For each id whether it is there, and where (any place when it is not)."""
        if not len(self.ids):
            return np.zeros(len(ids), np.bool_), np.zeros(len(ids), np.int64)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return self.ids[places] == ids, places


@dataclass(slots=True, kw_only=True)
class Query:
    """One question; hydrators fill the second half."""

    watcher: Watcher
    page_size: int
    session_id: str
    now_ms: int
    opens: bool = True
    """True for the first page of a session."""
    played: tuple[int, ...] = ()
    """Videos played in this session, oldest first."""
    rewatch: bool = False
    """True when everything was seen before this session began: then seen clips may come again."""
    watched: Watched = field(default_factory=Watched)
    """What the person watched; empty without consent."""
    barred: frozenset[int] = frozenset()
    """Creators whom a block or a mute keeps from this page, of those that were asked about."""
    tastes: dict[str, float] = field(default_factory=dict)
    """Liking of `category:N`, `creator:ID`, `tag:WORD`: mean watch share minus 0.5, from -0.5 to 0.5, shrunk towards 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Videos on their way to the page, as arrays of equal length."""

    rows: IntArray
    """Rows of the corpus."""
    sources: IntArray
    """One bit per source that found it."""
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, chosen: BoolArray | IntArray) -> Candidates:
        """Those under a mask, or at places."""
        return Candidates(rows=self.rows[chosen], sources=self.sources[chosen], scores=self.scores[chosen])


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a page."""

    video_id: int
    source_mask: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slate:
    """What a pipeline answers."""

    slots: tuple[Slot, ...]
    """The page, then its reserve."""
    has_more: bool
    policy: str
    degraded: tuple[str, ...]
