"""What may be recommended, kept in memory: folded from the tables at start, from events and watches after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from svc_feed.foryou.columns import Columns
from svc_feed.foryou.query import IntArray
from svc_feed.foryou.ranking import Entry, Ranking
from svc_feed.foryou.tables import FeedVideo
from svc_feed.signals.actions import HALF_LIFE_MS, LedgerEntry


def heat(tallies: Iterable[LedgerEntry]) -> float | None:
    """Popularity as a number that needs no refreshing: log2 of the decayed watch shares, moved to the epoch; None when nobody watched.

    Every score halves in the same time, so the order of any two videos stays as it is until somebody watches one of them.
    """
    scored = [row for row in tallies if row.score > 0]
    if not scored:
        return None
    latest_ms = max(row.score_at_ms for row in scored)
    return math.log2(sum(row.score * 0.5 ** ((latest_ms - row.score_at_ms) / HALF_LIFE_MS) for row in scored)) + latest_ms / HALF_LIFE_MS


class Corpus:
    """Recommendable videos and how they do. One event loop uses it; nothing in it waits."""

    def __init__(self) -> None:
        self.columns = Columns()
        self._videos: dict[int, FeedVideo] = {}
        self._tallies: dict[int, dict[int, LedgerEntry]] = {}
        self._fresh = Ranking()
        self._popular = Ranking()

    def apply(self, video: FeedVideo) -> None:
        """Take a video unless a newer version is known."""
        if self._take(video):
            self._rank(video.video_id)

    def apply_tally(self, tally: LedgerEntry) -> None:
        """Take the tally of one shard of a video's ledger unless a newer one is known."""
        if self._take_tally(tally):
            self._rank(tally.video_id)

    def load(self, videos: Iterable[FeedVideo], tallies: Iterable[LedgerEntry]) -> None:
        """Take very many at once, before the first request."""
        for video in videos:
            self._take(video)
        for tally in tallies:
            self._take_tally(tally)
        entries = [self._entries(video_id) for video_id in self._videos]
        self._fresh.fill(fresh for fresh, _ in entries if fresh is not None)
        self._popular.fill(popular for _, popular in entries if popular is not None)

    def video(self, video_id: int) -> FeedVideo | None:
        """What is known of a video."""
        return self._videos.get(video_id)

    def rows(self, video_ids: Sequence[int]) -> IntArray:
        """Rows of videos in the columns, in the order asked; -1 for unknown ones."""
        return np.fromiter((self.columns.row(video_id) for video_id in video_ids), dtype=np.int64, count=len(video_ids))

    def newest(self, count: int) -> IntArray:
        """Rows of the newest recommendable videos."""
        return self._fresh.best(count)

    def hottest(self, count: int) -> IntArray:
        """Rows of recommendable videos by decayed watch share; those that nobody watched are not among them."""
        return self._popular.best(count)

    def _take(self, video: FeedVideo) -> bool:
        known = self._videos.get(video.video_id)
        if known is not None and (known.version > video.version or known == video):
            return False
        self._videos[video.video_id] = video
        self.columns.set(video)
        if known is None:
            self._sum(video.video_id)
        return True

    def _take_tally(self, tally: LedgerEntry) -> bool:
        shards = self._tallies.setdefault(tally.video_id, {})
        known = shards.get(tally.shard)
        if known is not None and known.version >= tally.version:
            return False
        shards[tally.shard] = tally
        self._sum(tally.video_id)
        return True

    def _sum(self, video_id: int) -> None:
        row = self.columns.row(video_id)
        if row >= 0:
            shards = self._tallies.get(video_id, {}).values()
            self.columns.tokens[row] = sum(tally.tokens for tally in shards)
            self.columns.shares[row] = sum(tally.share_sum for tally in shards)

    def _rank(self, video_id: int) -> None:
        row = self.columns.row(video_id)
        if row < 0:
            return
        for ranking, entry in zip((self._fresh, self._popular), self._entries(video_id), strict=True):
            if entry is None:
                ranking.drop(row)
            else:
                ranking.put(entry)

    def _entries(self, video_id: int) -> tuple[Entry | None, Entry | None]:
        video, row = self._videos[video_id], self.columns.row(video_id)
        if not video.recommendable:
            return None, None
        warmth = heat(self._tallies.get(video_id, {}).values())
        return (float(video.published_at_ms), video_id, row), None if warmth is None else (warmth, video_id, row)
