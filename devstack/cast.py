"""The people and clips of `clipmesh demo`: who signs up, what each uploads, who watches what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devstack.clips import describe_clip


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who signs up."""

    handle: str
    display_name: str
    likes: tuple[str, ...] = ()
    """Categories that a simulated viewer watches to the end; the rest is skipped soon."""

    @property
    def password(self) -> str:
        """Printed by the demo; nobody's secret."""
        return f"watch-{self.handle}-clips"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedClip:
    """A clip that the demo makes and publishes."""

    seed: int
    creator: str
    caption: str
    hashtags: tuple[str, ...]
    category: str
    width: int = 720
    height: int = 1280


SIGN_INS: Sequence[Person] = (
    Person(handle="alice", display_name="Alice Aurora"),
    Person(handle="bob", display_name="Bob Bokeh"),
    Person(handle="carla", display_name="Carla Cantante"),
)
"""Printed for the person who tries the system; carla is also the moderator of the review desk."""

MODERATOR = "carla"

AUDIENCE: Sequence[Person] = (
    Person(handle="dora", display_name="Dora", likes=("MUSIC", "DANCE")),
    Person(handle="emil", display_name="Emil", likes=("NATURE", "TRAVEL")),
    Person(handle="fina", display_name="Fina", likes=("ART", "SCIENCE")),
)
"""Simulated viewers."""

_CATEGORIES = {
    "aurora": "NATURE",
    "hills": "TRAVEL",
    "bokeh": "ART",
    "tunnel": "MUSIC",
    "trails": "SCIENCE",
    "fireworks": "DANCE",
}
_SIZES = ((720, 1280), (720, 1280), (720, 1280), (1280, 720), (720, 720))
CLIP_COUNT = 8


def plan_clips(count: int = CLIP_COUNT) -> list[PlannedClip]:
    """The first `count` generated clips, creators in turn."""
    clips = []
    for seed in range(1, count + 1):
        described = describe_clip(seed)
        width, height = _SIZES[(seed - 1) % len(_SIZES)]
        clips.append(
            PlannedClip(
                seed=seed,
                creator=SIGN_INS[(seed - 1) % len(SIGN_INS)].handle,
                caption=f"{described.title} #{' #'.join(described.hashtags)}",
                hashtags=described.hashtags,
                category=_CATEGORIES.get(described.scene, "UNSPECIFIED"),
                width=width,
                height=height,
            )
        )
    return clips
