"""Settings of the feed service."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.store_settings import StoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings(StoreSettings):
    """Read once from CLIPMESH_* at start."""

    feed_budget_ms: int = 500
    """The whole of one For You page, in milliseconds (spec: 500)."""
    feed_stage_ms: int = 150
    """Time limit of one hydrator or source, in milliseconds; what is late is left out and counted."""
    feed_refresh_s: float = 300.0
    """How often the corpus in memory is compared with the tables, in seconds: what this process writes and hears it knows at once, this is how late
    it learns what other feed processes did."""

    def check(self) -> None:
        """ValueError for numbers out of range."""
        StoreSettings.check(self)
        if not 10 <= self.feed_stage_ms <= self.feed_budget_ms:
            raise ValueError("CLIPMESH_FEED_STAGE_MS lies between 10 and CLIPMESH_FEED_BUDGET_MS")
        if self.feed_refresh_s <= 0:
            raise ValueError("CLIPMESH_FEED_REFRESH_S is above 0")
