"""Where archived events lie: archive/TOPIC/TYPE/YYYY-MM-DD/NAME.parquet, by the day in which they happened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

ARCHIVE_PREFIX: Final = "archive/"
_PLACE: Final = re.compile(r"archive/([a-z][a-z0-9_.]*)/([A-Za-z0-9_.]+)/(\d{4}-\d{2}-\d{2})/([0-9a-f-]+)\.parquet")


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Place:
    """One file."""

    topic: str
    type: str
    """Full protobuf name of the payloads."""
    day: date
    """UTC."""
    name: str

    @property
    def key(self) -> str:
        """Its key in the blob store."""
        return f"{self.folder}{self.name}.parquet"

    @property
    def folder(self) -> str:
        """The prefix of all files of the same topic, type and day."""
        return f"{type_prefix(self.topic, self.type)}{self.day.isoformat()}/"

    @classmethod
    def parse(cls, key: str) -> Place | None:
        """The place of a key; None when it is none of ours."""
        found = _PLACE.fullmatch(key)
        if found is None:
            return None
        topic, kind, day, name = found.groups()
        try:
            return cls(topic=topic, type=kind, day=date.fromisoformat(day), name=name)
        except ValueError:
            return None


def topic_prefix(topic: str) -> str:
    """Prefix of all files of a topic."""
    return f"{ARCHIVE_PREFIX}{topic}/"


def type_prefix(topic: str, type_name: str) -> str:
    """Prefix of all files of a type of a topic."""
    return f"{topic_prefix(topic)}{type_name}/"


def day_of(at_ms: int) -> date:
    """The UTC day of a moment in milliseconds since the Unix epoch."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()
