"""The kinds of file that the media edge serves, by the end of their name; all else under a prefix stays inside."""

from __future__ import annotations

from dataclasses import dataclass

PLAYLIST_MAX_AGE_S = 5
"""Playlists grow while renditions are made, so caches ask again soon."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of file is answered."""

    content_type: str
    is_image: bool = False
    """A grant for pictures is enough: a picture, or what tells of one, such as the cues of a storyboard."""
    is_playlist: bool = False


_KINDS = {
    "m3u8": Kind("application/vnd.apple.mpegurl", is_playlist=True),
    "mpd": Kind("application/dash+xml", is_playlist=True),
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

_NAMED = {"waveform.json": Kind("application/json", is_image=True)}
"""Files of a kind that is not served otherwise."""


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
    if kind.is_playlist:
        age_s = min(age_s, PLAYLIST_MAX_AGE_S)
    scope = f"public, s-maxage={min(age_s, shared_max_age_s)}" if shared_max_age_s else "private"
    return f"{scope}, max-age={age_s}" + ("" if kind.is_playlist else ", immutable")
