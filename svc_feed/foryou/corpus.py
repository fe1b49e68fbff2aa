"""What may be recommended, kept in memory: folded from the tables at start, from events and watches after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from svc_feed.foryou.tables import FeedVideo
from svc_feed.signals.rules import decayed
from svc_feed.signals.tables import LedgerEntry


@dataclass(slots=True)
class Popularity:
    """Tallies of one video, one per shard of its ledger."""

    shards: dict[int, LedgerEntry] = field(default_factory=dict)

    def apply(self, tally: LedgerEntry) -> None:
        """Take a tally unless a newer one is known."""
        known = self.shards.get(tally.shard)
        if known is None or known.tokens < tally.tokens or (known.tokens == tally.tokens and known.share_sum <= tally.share_sum):
            self.shards[tally.shard] = tally

    def score(self, now_ms: int) -> float:
        """Watch share over time: every token's share, halved every HALF_LIFE_MS."""
        return sum(decayed(row.score, since_ms=row.score_at_ms, now_ms=now_ms) for row in self.shards.values())

    @property
    def tokens(self) -> int:
        """Offers that were reported on."""
        return sum(row.tokens for row in self.shards.values())

    @property
    def share_sum(self) -> float:
        """Sum of the shares watched."""
        return sum(row.share_sum for row in self.shards.values())


class Corpus:
    """Recommendable videos and how they do. One event loop uses it; nothing in it waits."""

    def __init__(self) -> None:
        self._videos: dict[int, FeedVideo] = {}
        self._popularity: dict[int, Popularity] = {}

    def apply(self, video: FeedVideo) -> None:
        """Take a video unless a newer version is known."""
        known = self._videos.get(video.video_id)
        if known is None or known.version <= video.version:
            self._videos[video.video_id] = video

    def apply_tally(self, tally: LedgerEntry) -> None:
        """Take the tally of a video."""
        self._popularity.setdefault(tally.video_id, Popularity()).apply(tally)

    def load(self, videos: Iterable[FeedVideo]) -> None:
        """Take many."""
        for video in videos:
            self.apply(video)

    def recommendable(self) -> Iterator[FeedVideo]:
        """Everything that may be a candidate."""
        return (video for video in self._videos.values() if video.recommendable)

    def video(self, video_id: int) -> FeedVideo | None:
        """What is known of a video."""
        return self._videos.get(video_id)

    def popularity(self, video_id: int) -> Popularity:
        """How a video does; an empty one when nobody watched."""
        return self._popularity.get(video_id) or Popularity()
