"""Where the objects of a video live in the blob store: computed from its id alone, so that no row has to be asked."""

from __future__ import annotations

from datetime import UTC, datetime

from mesh.ids import decode

RAW_PREFIX = "raw/"
"""Everything that creators sent, by the UTC day of the session."""


def raw_key(video_id: int) -> str:
    """The creator's file: raw/YYYY/MM/DD/id, by the day in which the id was made."""
    day = datetime.fromtimestamp(decode(video_id).at_ms / 1000, UTC)
    return f"{RAW_PREFIX}{day:%Y/%m/%d}/{video_id}"


def video_of_raw_key(key: str) -> int | None:
    """The video of a raw object; None for a key that is none of ours."""
    name = key.rpartition("/")[2]
    if not name.isascii() or not name.isdigit():
        return None
    video_id = int(name)
    return video_id if video_id < 2**63 and raw_key(video_id) == key else None


def video_prefix(video_id: int) -> str:
    """Everything that processing makes of a video."""
    return f"video/{video_id}/"
