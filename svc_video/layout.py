"""Where the objects of a video live in the blob store: computed from its id alone, so that no row has to be asked.

Each prefix has a life of its own, so that a rule of the store can speak of one kind of object without touching another:

    raw/YYYY/MM/DD/ID    what the creator sent; goes with the video, and to colder storage earlier
    work/ID/             what jobs hand one another; goes when the last job is done, and by age whatever happens
    video/ID/            what players fetch; goes with the video
    images/ID/           poster and preview, for lists that do not play; go with the video
    audio/ID/            the extracted audio; goes with the video unless a sound was made of it, which outlives the video
"""

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
    """What players fetch: playlists, segments, files."""
    return f"video/{video_id}/"


def work_prefix(video_id: int) -> str:
    """What only jobs read."""
    return f"work/{video_id}/"


def images_prefix(video_id: int) -> str:
    """Poster and preview."""
    return f"images/{video_id}/"


def audio_prefix(video_id: int) -> str:
    """The extracted audio."""
    return f"audio/{video_id}/"


def audio_key(video_id: int) -> str:
    """The whole audio of a video, encoded once."""
    return f"{audio_prefix(video_id)}audio.mp4"
