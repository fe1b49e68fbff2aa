"""Settings of the sound service."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.store_settings import StoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSettings(StoreSettings):
    """Read once from CLIPMESH_* at start."""
