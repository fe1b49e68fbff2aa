"""How long archived events are kept, by their type, and deleting what is past it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from mesh.events.archive.places import Place, day_of, topic_prefix
from mesh.stores.blobs.port import Blobs

DEFAULT_DAYS = 400
"""More than a year, so that the same season can be compared."""
_SHORT = MappingProxyType({"clipmesh.social.v1.SigningKeysPublished": 7, "clipmesh.social.v1.SessionRevoked": 7})
"""What nobody can use after a week: keys that verify and sessions that ended long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days by full protobuf name of the payload."""

    days: Mapping[str, int] = field(default_factory=lambda: _SHORT)
    default_days: int = DEFAULT_DAYS

    @classmethod
    def parse(cls, text: str) -> Retention:
        """`clipmesh.feed.v1.WatchRecorded=90,*=400`; `*` is every other type. ValueError names what is wrong."""
        days, default_days = dict(_SHORT), DEFAULT_DAYS
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, separator, number = part.partition("=")
            if not separator or not number.isdigit() or int(number) < 1:
                raise ValueError(f"CLIPMESH_ARCHIVE_DAYS: {part!r} is not TYPE=DAYS with at least one day")
            if name == "*":
                default_days = int(number)
            else:
                days[name] = int(number)
        return cls(days=days, default_days=default_days)

    def days_of(self, type_name: str) -> int:
        """How many days events of a type are kept."""
        return self.days.get(type_name, self.default_days)


async def sweep(blobs: Blobs, *, topics: Sequence[str], retention: Retention, now_ms: int) -> int:
    """Delete the files of days that are over for their type; returns how many went. Raises what the blob store raises."""
    today = day_of(now_ms)
    gone = 0
    for topic in topics:
        after = ""
        while True:
            page = await blobs.list(topic_prefix(topic), after=after)
            places = [place for place in map(Place.parse, (blob.key for blob in page.blobs)) if place is not None]
            old = [place.key for place in places if today - place.day > timedelta(days=retention.days_of(place.type))]
            if old:
                await blobs.delete(old)
                gone += len(old)
            after = page.next
            if not after:
                break
    return gone
