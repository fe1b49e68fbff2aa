"""Further codecs of a clip: groups of jobs of their own, one after the other, once its H.264 ladder is whole."""

from __future__ import annotations

from collections.abc import Iterable

CODECS = ("h265", "vp9", "av1")
"""Names of groups, in the order in which they are made; each adds its renditions to the same playlists."""


def codecs_in(text: str) -> tuple[str, ...]:
    """The codecs of a text that names them with commas or spaces between, each once, in the order in which they are made. ValueError for others."""
    named = set(text.replace(",", " ").split())
    if unknown := sorted(named - set(CODECS)):
        raise ValueError(f"{', '.join(unknown)}: the further codecs are {', '.join(CODECS)}")
    return tuple(codec for codec in CODECS if codec in named)


def together(*groups: Iterable[str]) -> str:
    """The codecs of several groups as a plan keeps them."""
    named = {codec for group in groups for codec in group}
    return " ".join(codec for codec in CODECS if codec in named)


def rendition_name(rung: str, codec: str) -> str:
    """The name of a rung in a further codec, which is also the folder of its segments."""
    return f"{rung}-{codec}"
