"""The selector: takes the best, but mixes creators and categories."""

from __future__ import annotations

from svc_feed.foryou.query import Candidate

MOST_IN_A_ROW = 2
"""Clips of one creator next to one another (spec: at most two in a row)."""
CATEGORY_MALUS = 0.08
"""Taken off for each of the last clips of the same category."""
LOOK_BACK = 3
HEAD = 200
"""Best candidates among which to choose: order beyond them does not matter to a page."""


def select(candidates: list[Candidate], *, count: int) -> tuple[list[Candidate], list[str]]:
    """At most `count` candidates in the order to show, and the rules that could not be met (`creator_run`).

    Greedy by score minus a malus for repeating a category; a third clip of one creator in a row only when nothing else is left.
    """
    left = sorted(candidates, key=lambda candidate: (-candidate.score, -candidate.video.video_id))[: max(HEAD, count)]
    chosen: list[Candidate] = []
    broken: set[str] = set()
    while left and len(chosen) < count:
        last = [candidate.video.creator_id for candidate in chosen[-MOST_IN_A_ROW:]]
        run = last[0] if len(last) == MOST_IN_A_ROW and len(set(last)) == 1 else None
        free = [candidate for candidate in left if candidate.video.creator_id != run]
        if not free:
            free = left
            broken.add("creator_run")
        recent = [candidate.video.category for candidate in chosen[-LOOK_BACK:] if candidate.video.category]
        best = max(free, key=lambda candidate: candidate.score - CATEGORY_MALUS * recent.count(candidate.video.category))
        chosen.append(best)
        left.remove(best)
    return chosen, sorted(broken)
