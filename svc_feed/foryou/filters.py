"""Filters: what must not be shown; each answers what it kept and what it removed."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from svc_feed.foryou.query import Candidate, Query


class Filtered(NamedTuple):
    """The two halves of a list."""

    kept: list[Candidate]
    removed: list[Candidate]


class Filter(Protocol):
    """Decides by itself; filters are never skipped, late or degraded."""

    name: str

    def enabled(self, query: Query) -> bool:
        """Whether it has anything to remove for this query."""
        ...

    def keeps(self, query: Query, candidate: Candidate) -> bool:
        """Whether the candidate may be shown."""
        ...


def apply(one: Filter, query: Query, candidates: list[Candidate]) -> Filtered:
    """Split candidates by a filter, order kept."""
    kept: list[Candidate] = []
    removed: list[Candidate] = []
    for candidate in candidates:
        (kept if one.keeps(query, candidate) else removed).append(candidate)
    return Filtered(kept, removed)


class NotVisible:
    """Withdrawn, limited, hidden or unknown clips."""

    name = "filter.not_visible"

    def enabled(self, query: Query) -> bool:
        """Always."""
        return True

    def keeps(self, query: Query, candidate: Candidate) -> bool:
        """Only recommendable clips."""
        return candidate.video.recommendable


class Own:
    """The viewer's own clips."""

    name = "filter.own"

    def enabled(self, query: Query) -> bool:
        """For signed-in people."""
        return query.watcher.user_id != 0

    def keeps(self, query: Query, candidate: Candidate) -> bool:
        """Other people's clips."""
        return candidate.video.creator_id != query.watcher.user_id


class Played:
    """What was shown in this session: never twice."""

    name = "filter.played"

    def enabled(self, query: Query) -> bool:
        """From the second page on."""
        return bool(query.played)

    def keeps(self, query: Query, candidate: Candidate) -> bool:
        """Clips that this session has not shown."""
        return candidate.video.video_id not in query.played


class Seen:
    """What the person watched before."""

    name = "filter.seen"

    def enabled(self, query: Query) -> bool:
        """With a history, unless everything there is was seen."""
        return bool(query.history) and not query.rewatch

    def keeps(self, query: Query, candidate: Candidate) -> bool:
        """Clips that are not in the history."""
        return candidate.video.video_id not in query.history
