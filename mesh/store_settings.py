"""The settings that every service with state has: where its stores are and how long its events are kept."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.events.archive.retention import Retention
from mesh.service_settings import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(ServiceSettings):
    """An inheriting `check` calls `StoreSettings.check(self)`."""

    tables: str
    """URL of the tables, for example `sqlite:///FOLDER`."""
    redis: str
    """URL of Redis, which carries the event streams unless `events` names another engine."""
    events: str = ""
    """URL of the event streams; empty means Redis Streams."""
    blobs: str
    """URL of the objects, for example `file:///FOLDER`; events are archived there."""
    archive_every_ms: int = 600_000
    """How long an event may wait for others to share its archived file, in milliseconds."""
    archive_days: str = ""
    """How many days archived events are kept: `clipmesh.feed.v1.WatchRecorded=90,*=400`, by the type of their payload, `*` for all others. Empty
    keeps signing keys and ended sessions for 7 days and everything else for 400."""

    def check(self) -> None:
        """ValueError for a number out of range."""
        ServiceSettings.check(self)
        if self.archive_every_ms < 1:
            raise ValueError("CLIPMESH_ARCHIVE_EVERY_MS has to be at least 1")
        Retention.parse(self.archive_days)
