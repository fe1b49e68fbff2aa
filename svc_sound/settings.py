"""Settings of the sound service."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.app import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSettings(ServiceSettings):
    """Read once from CLIPMESH_* at start."""

    tables: str
    """URL of the tables, `sqlite:///FOLDER`."""
    redis: str
    """URL of Redis, which carries the event streams unless `events` names another engine."""
    events: str = ""
    """URL of the event streams; empty means Redis Streams."""
