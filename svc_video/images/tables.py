"""Persisted nouns of pictures: the guarded picture, the guarded shelf of its owner, and what the sweeper still has to look at."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


class ImageState(enum.IntEnum):
    """Where a picture stands."""

    OPEN = 1
    """Its bytes are awaited."""
    READY = 2
    """Its squares are there."""
    REFUSED = 3
    """The bytes are none that we take; `failure_code` says why."""
    GONE = 4
    """Nobody completed it in time, or its owner shows it no more: its bytes are removed, and it never comes back."""


@table("images", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One picture."""

    image_id: Partition[int]
    owner_id: int = 0
    state: ImageState = ImageState.OPEN
    size_bytes: int = 0
    upload_ref: str = ""
    """The blob store's name for the upload."""
    ends_at_ms: int = 0
    """When an open one ends. (Not `expires_at_ms`: what has ended stays readable.)"""
    permitted_at_ms: int = 0
    """When its owner was last given a permit to show it: until that has expired for sure, it may be shown at any moment."""
    failure_code: str = ""
    created_at_ms: int = 0
    version: int = 0

    @property
    def is_over(self) -> bool:
        """It has no bytes any more, or should not."""
        return self.state in {ImageState.REFUSED, ImageState.GONE}


@table("image_shelves", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class ImageShelf:
    """What one person has in pictures and has begun today: sets of ids, so that nothing is counted twice."""

    owner_id: Partition[int]
    held_ids: str = ""
    """Pictures whose bytes are not removed yet, joined by spaces."""
    day: int = 0
    """The UTC day of day_ids, counted from the epoch."""
    day_ids: str = ""
    """Pictures begun on that day, joined by spaces."""
    version: int = 0

    @property
    def held(self) -> tuple[int, ...]:
        """The pictures as numbers."""
        return tuple(map(int, self.held_ids.split()))


SWEEP_SHARD = 0


@table("unsettled_images", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledImage:
    """A picture that the sweeper has to look at; noted before whatever makes that so. Under the moment of its last note, so that a look at an
    earlier one does not strike it."""

    shard: Partition[int]
    image_id: Clustering[int]
    owner_id: int = 0
    version: int = 0


IMAGE_TABLES: tuple[type, ...] = (Image, ImageShelf, UnsettledImage)
