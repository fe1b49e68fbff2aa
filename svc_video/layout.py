"""Where the objects of a video live in the blob store: computed from its id alone, so that no row has to be asked.

Each prefix has a life of its own, so that a rule of the store can speak of one kind of object without touching another:

    raw/YYYY/MM/DD/ID    what the creator sent; goes with the video, and to colder storage earlier
    tails/ID/PART        beginnings of parts that came in a stream that broke; go when the session ends
    work/ID/             what jobs hand one another, and what the creator plays before the clip is whole; goes when the last job is done, and by age
                         whatever happens
    video/ID/            what players fetch; goes with the video
    images/ID/           what shows a clip without playing it: poster, preview, storyboard, waveform; goes with the video
    audio/ID/            the extracted audio; goes with the video unless a sound was made of it, which outlives the video
    sent/ID              a picture as a person sent it; goes as soon as its squares are made, or it is refused
    avatars/ID/          the squares of a picture; go when its owner shows another one

What players fetch lies in one folder below video/ID/ for each recipe that it was made by; the facts of the video say which of them plays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from mesh.ids import decode
from mesh.stores.blobs.port import Upkeep

RAW_PREFIX = "raw/"
"""Everything that creators sent, by the UTC day of the session."""
TAILS_PREFIX = "tails/"
"""Everything that is no whole part yet."""
WORK_PREFIX = "work/"
"""Everything that goes with the last job."""
VIDEO_PREFIX = "video/"
"""Everything that players fetch."""
IMAGES_PREFIX = "images/"
"""Everything that is shown of clips that do not play."""
AUDIO_PREFIX = "audio/"
"""All extracted audio."""
SENT_PREFIX = "sent/"
"""Everything that people sent to be made into pictures."""
AVATARS_PREFIX = "avatars/"
"""Everything that people show of themselves."""
UPKEEP = Upkeep(unfinished_days=3, left_over_days={TAILS_PREFIX: 3, SENT_PREFIX: 3, WORK_PREFIX: 30})
"""For a store that can: sessions live a day, and jobs that wait for a quiet hour at most some days. The sweeper comes long before."""
_ID_DIGITS = 19
"""Of the largest id."""
POSTER_NAME = "poster.jpg"
"""This and what follows are names below `images_prefix`."""
PREVIEW_NAME = "preview.webp"
STORYBOARD_NAME = "storyboard.vtt"
"""The cues; they name the sheet that lies beside them."""
STORYBOARD_SHEET_NAME = "storyboard.webp"
WAVEFORM_NAME = "waveform.json"
GROWING_NAME = "growing.m3u8"
"""What the creator plays while the first rendition is made, below a prefix under `work_prefix` that the facts of the video name."""


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


def video_of_key(prefix: str, key: str) -> int | None:
    """The video of an object under one of the prefixes that are cut by ids alone; None for a key that is none of ours."""
    name = key.removeprefix(prefix).partition("/")[0]
    if not name.isascii() or not name.isdigit() or len(name) > _ID_DIGITS:
        return None
    video_id = int(name)
    return video_id if 0 < video_id < 2**63 and key.startswith(f"{prefix}{video_id}/") else None


def tails_prefix(video_id: int) -> str:
    """Beginnings of parts of one session."""
    return f"{TAILS_PREFIX}{video_id}/"


def tail_key(video_id: int, part_number: int) -> str:
    """The beginning of one part."""
    return f"{tails_prefix(video_id)}{part_number:05d}"


def video_prefix(video_id: int) -> str:
    """What players fetch: playlists, segments, files."""
    return f"{VIDEO_PREFIX}{video_id}/"


def published_names(renditions: Sequence[str], *, segments: int, has_audio: bool) -> Iterator[str]:
    """Every object that players of these renditions may ask for, below the prefix that the facts name; the first rendition first. Sound ends within
    one of its frames of the picture, so it may need no last segment of its own."""
    yield from ("master.m3u8", "manifest.mpd")
    yield from (f"{name}.mp4" for name in renditions[:1])
    for name in renditions:
        yield f"{name}.m3u8"
        yield from _track_names(name, segments)
    if has_audio:
        yield from _track_names("audio", segments - 1)


def _track_names(folder: str, segments: int) -> Iterator[str]:
    yield from (f"{folder}/init.mp4", f"{folder}/index.m3u8")
    yield from (f"{folder}/{number}.m4s" for number in range(1, segments + 1))


def work_prefix(video_id: int) -> str:
    """What goes with the last job."""
    return f"{WORK_PREFIX}{video_id}/"


def images_prefix(video_id: int) -> str:
    """What shows a clip without playing it."""
    return f"{IMAGES_PREFIX}{video_id}/"


def audio_prefix(video_id: int) -> str:
    """The extracted audio."""
    return f"{AUDIO_PREFIX}{video_id}/"


def audio_key(video_id: int) -> str:
    """The whole audio of a video, encoded once."""
    return f"{audio_prefix(video_id)}audio.mp4"


def sent_key(image_id: int) -> str:
    """A picture as it was sent."""
    return f"{SENT_PREFIX}{image_id}"


def image_of_sent_key(key: str) -> int | None:
    """The picture of an object under `SENT_PREFIX`; None for a key that is none of ours."""
    return video_of_key(SENT_PREFIX, f"{key}/") if "/" not in key.removeprefix(SENT_PREFIX) else None


def avatar_prefix(image_id: int) -> str:
    """The squares of one picture."""
    return f"{AVATARS_PREFIX}{image_id}/"


def avatar_key(image_id: int, side: int) -> str:
    """One square, by its width in pixels."""
    return f"{avatar_prefix(image_id)}{side}.webp"
