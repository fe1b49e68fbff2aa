"""Facts of all videos side by side, so that ten thousand candidates are judged in a few operations."""

from __future__ import annotations

import numpy as np

from svc_feed.foryou.query import FloatArray, IntArray
from svc_feed.foryou.tables import FeedVideo

MOST_TAGS = 8
"""Hashtags of a clip that tastes look at; more say less."""
_FIRST_ROOM = 1024


def feature_names(category: int, creator_id: int, hashtags: str) -> list[str]:
    """The tastes a clip speaks to: `creator:ID`, `category:N`, `tag:WORD`."""
    names = [f"creator:{creator_id}", *(f"tag:{tag}" for tag in hashtags.split()[:MOST_TAGS])]
    return [*names, f"category:{category}"] if category else names


def primary_language(tag: str) -> str:
    """The language of a BCP 47 tag without script and region."""
    return tag.partition("-")[0].lower()


class Columns:
    """One array per fact; a video keeps its row for ever. Arrays are replaced when they grow: read them anew after every wait."""

    def __init__(self) -> None:
        self.ids: IntArray = np.zeros(_FIRST_ROOM, np.int64)
        self.creators: IntArray = np.zeros(_FIRST_ROOM, np.int64)
        self.categories: IntArray = np.zeros(_FIRST_ROOM, np.int64)
        self.published_at_ms: IntArray = np.zeros(_FIRST_ROOM, np.int64)
        self.recommendable = np.zeros(_FIRST_ROOM, np.bool_)
        self.languages: IntArray = np.zeros(_FIRST_ROOM, np.int64)
        self.tokens: FloatArray = np.zeros(_FIRST_ROOM, np.float64)
        """Offers that were reported on."""
        self.shares: FloatArray = np.zeros(_FIRST_ROOM, np.float64)
        """Sum of the shares watched."""
        self.features: IntArray = np.zeros((_FIRST_ROOM, MOST_TAGS + 2), np.int32)
        """Numbers of the tastes a clip speaks to, filled up with 0."""
        self._rows: dict[int, int] = {}
        self._features: dict[str, int] = {"": 0}
        self._languages: dict[str, int] = {"": 0}

    def set(self, video: FeedVideo) -> int:
        """Write a video into its row, which is answered."""
        row = self._rows.setdefault(video.video_id, len(self._rows))
        if row == len(self.ids):
            self._grow()
        self.ids[row] = video.video_id
        self.creators[row] = video.creator_id
        self.categories[row] = video.category
        self.published_at_ms[row] = video.published_at_ms
        self.recommendable[row] = video.recommendable
        self.languages[row] = self._languages.setdefault(primary_language(video.language), len(self._languages))
        names = feature_names(video.category, video.creator_id, video.hashtags)
        numbers = [self._features.setdefault(name, len(self._features)) for name in dict.fromkeys(names)]
        self.features[row] = numbers + [0] * (MOST_TAGS + 2 - len(numbers))
        return row

    def row(self, video_id: int) -> int:
        """The row of a video, -1 for an unknown one."""
        return self._rows.get(video_id, -1)

    def weights(self, tastes: dict[str, float]) -> FloatArray:
        """Tastes as an array over feature numbers; the filler weighs nothing."""
        weights = np.zeros(len(self._features))
        for name, value in tastes.items():
            weights[self._features.get(name, 0)] = value
        weights[0] = 0.0
        return weights

    def language_numbers(self, tags: tuple[str, ...]) -> list[int]:
        """Numbers of the languages that some video has."""
        numbers = (self._languages.get(primary_language(tag), 0) for tag in tags)
        return [number for number in numbers if number]

    def _grow(self) -> None:
        for name, column in vars(self).items():
            if isinstance(column, np.ndarray):
                setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
