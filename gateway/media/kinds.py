"""The kinds of file that the media edge serves, by the end of their name; all else under a prefix stays inside."""

from __future__ import annotations

from dataclasses import dataclass

PLAYLIST_MAX_AGE_S = 5
"""Playlists grow while renditions are made, so caches ask again soon."""
GROWING_MAX_AGE_S = 1
"""One that grows by the second is asked for every second or two, and an old one lets its player wait."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of file is answered."""

    content_type: str
    is_image: bool = False
    """A grant for pictures is enough: a picture, or what tells of one, such as the cues of a storyboard."""
    is_playlist: bool = False
    max_age_s: int | None = None
    """The longest that any copy is kept; None for as long as the grant lives."""


_KINDS = {
    "m3u8": Kind("application/vnd.apple.mpegurl", is_playlist=True, max_age_s=PLAYLIST_MAX_AGE_S),
    "mpd": Kind("application/dash+xml", is_playlist=True, max_age_s=PLAYLIST_MAX_AGE_S),
    "m4s": Kind("video/iso.segment"),
    "mp4": Kind("video/mp4"),
    "m4a": Kind("audio/mp4"),
    "vtt": Kind("text/vtt; charset=utf-8", is_image=True),
    "jpg": Kind("image/jpeg", is_image=True),
    "png": Kind("image/png", is_image=True),
    "webp": Kind("image/webp", is_image=True),
    "avif": Kind("image/avif", is_image=True),
    "gif": Kind("image/gif", is_image=True),
}

_NAMED = {
    "waveform.json": Kind("application/json", is_image=True),
    "grows.m3u8": Kind("application/vnd.apple.mpegurl", is_playlist=True, max_age_s=GROWING_MAX_AGE_S),
}
"""Files that are not served like others of their ending."""


def kind_of(name: str) -> Kind | None:
    """The kind of a file by its name; None for one that is not served."""
    last = name.rpartition("/")[2]
    stem, _, extension = last.rpartition(".")
    return _NAMED.get(last) or (_KINDS.get(extension) if stem else None)


def cache_control(kind: Kind, *, left_ms: int, shared_max_age_s: int) -> str:
    """How long copies may be kept: never beyond the grant, and by caches that others share only for `shared_max_age_s`, 0 for not at all.

    A shared cache cannot ask whether a grant was revoked, so what it may keep is what a takedown may lag behind.
    """
    age_s = max(0, left_ms // 1000)
    if kind.max_age_s is not None:
        age_s = min(age_s, kind.max_age_s)
    scope = f"public, s-maxage={min(age_s, shared_max_age_s)}" if shared_max_age_s else "private"
    return f"{scope}, max-age={age_s}" + ("" if kind.is_playlist else ", immutable")
