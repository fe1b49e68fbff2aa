"""The selector: takes the best, but mixes creators and categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.query import Candidates

MOST_IN_A_ROW = 2
"""Clips of one creator next to one another (spec: at most two in a row)."""
CATEGORY_MALUS = 0.08
"""Taken off for each of the last LOOK_BACK clips of the same category."""
LOOK_BACK = 3
HEAD = 200
"""Best candidates among which to choose: order beyond them does not matter to a page."""


def select(corpus: Corpus, candidates: Candidates, *, count: int, before: Sequence[int] = ()) -> tuple[Candidates, list[str]]:
    """At most `count` candidates in the order to show, and the rules that could not be met (`creator_run`).

    Greedy by score minus a malus for repeating a category; a third clip of one creator in a row only when nothing else is left. `before` are
    the videos played last, oldest first: a row of one creator does not begin anew with a page.
    """
    columns = corpus.columns
    order = np.lexsort((-columns.ids[candidates.rows], -candidates.scores))
    head, rest = order[:HEAD], order[HEAD:]
    creators, categories = columns.creators[candidates.rows], columns.categories[candidates.rows]
    shown = [video for video_id in before[-LOOK_BACK:] if (video := corpus.video(video_id)) is not None]
    last_creators, last_categories = [video.creator_id for video in shown], [video.category for video in shown]
    chosen: list[int] = []
    broken: set[str] = set()
    while len(head) and len(chosen) < count:
        tail = last_creators[-MOST_IN_A_ROW:]
        run = tail[0] if len(tail) == MOST_IN_A_ROW and len(set(tail)) == 1 else None
        adjusted = candidates.scores[head].copy()
        for category in filter(None, last_categories[-LOOK_BACK:]):
            adjusted[categories[head] == category] -= CATEGORY_MALUS
        allowed = creators[head] != run if run is not None else np.ones(len(head), np.bool_)
        if allowed.any():
            place = int(np.argmax(np.where(allowed, adjusted, -np.inf)))
        else:
            others = np.flatnonzero(creators[rest] != run)
            if len(others):
                head, rest = np.append(head, rest[others[0]]), np.delete(rest, others[0])
                place = len(head) - 1
            else:
                place = int(np.argmax(adjusted))
                broken.add("creator_run")
        best = int(head[place])
        head = np.delete(head, place)
        chosen.append(best)
        last_creators.append(int(creators[best]))
        last_categories.append(int(categories[best]))
    return candidates.where(np.array(chosen, np.int64)), sorted(broken)
