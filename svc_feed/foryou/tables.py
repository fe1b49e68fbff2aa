"""Persisted nouns of For You."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


@table("feed_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class FeedVideo:
    """What the feed knows of a video: a copy made from video's events; the version is the video's."""

    video_id: Partition[int]
    creator_id: int = 0
    duration_ms: int = 0
    category: int = 0
    hashtags: str = ""
    """Separated by blanks."""
    language: str = ""
    sound_id: int = 0
    published_at_ms: int = 0
    recommendable: bool = False
    """False for what is withdrawn, limited or not public: never a candidate."""
    version: int = 0


@table("served_pages", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPage:
    """One page that was served, put if absent: the same cursor asked again gets the same page. It does not say to whom."""

    session_id: Partition[str]
    cursor_key: Clustering[str]
    """What was asked: empty for the first page, else PAGE:INDEX of the last played slot."""
    page_id: str = ""
    slots: str = ""
    """JSON list of [video_id, source mask, score] in the order to show; those behind the first `page_size` that can be shown are spare."""
    page_size: int = 0
    played: bytes = b""
    """Videos played in the session before this page and after its base, oldest first, 8 bytes each."""
    base_key: str = ""
    """With base_index >= 0: the cursor_key of an earlier page whose slots up to base_index, and all before them, were played too."""
    base_index: int = -1
    played_count: int = 0
    """How many videos were played before this page: the number of its first slot."""
    policy: str = ""
    degraded: str = ""
    """Separated by blanks."""
    has_more: bool = False
    created_at_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0
