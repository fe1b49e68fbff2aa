"""Pure decisions about pictures: how many a person may have, and when one may go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from svc_video.images.errors import DailyLimitExceeded, PictureTooLarge, TooManyImages
from svc_video.images.tables import Image, ImageShelf, ImageState

DAY_MS = 86_400_000
SIDES = (64, 128, 512)
"""Widths of the squares in pixels: beside a line of text, on a list, on a profile on a dense screen."""
SPARED_MS = 120_000
"""How long a picture may still come to be shown after its owner was given a permit: longer than that lives, and than any call that carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one person may ask for."""

    max_bytes: int = 12 * 1024**2
    """Largest file: what the camera of a phone makes."""
    daily: int = 20
    """Pictures that a person may begin in a UTC day."""
    held: int = 5
    """Pictures of a person that have bytes, the one that is shown among them."""
    session_ms: int = 3_600_000
    """How long the bytes of one are awaited."""


def check_size(size_bytes: int, limits: Limits) -> None:
    """Raises PictureTooLarge."""
    if size_bytes > limits.max_bytes:
        raise PictureTooLarge(size_bytes=size_bytes, max_bytes=limits.max_bytes)


def reserved(shelf: ImageShelf, image_id: int, *, now_ms: int, limits: Limits) -> ImageShelf:
    """The shelf with one more picture; the same one again changes nothing. Raises TooManyImages, DailyLimitExceeded."""
    if image_id in shelf.held:
        return shelf
    today = now_ms // DAY_MS
    day_ids = shelf.day_ids.split() if shelf.day == today else []
    if len(shelf.held) >= limits.held:
        raise TooManyImages(limit=limits.held, retry_after_ms=SPARED_MS)
    if str(image_id) not in day_ids:
        if len(day_ids) >= limits.daily:
            raise DailyLimitExceeded(limit=limits.daily, retry_after_ms=(today + 1) * DAY_MS - now_ms)
        day_ids.append(str(image_id))
    return replace(shelf, held_ids=_text([*shelf.held, image_id]), day=today, day_ids=" ".join(day_ids))


def released(shelf: ImageShelf, image_id: int) -> ImageShelf:
    """The shelf without a picture whose bytes are gone."""
    return replace(shelf, held_ids=_text(one for one in shelf.held if one != image_id))


def is_late(image: Image, *, now_ms: int) -> bool:
    """An open picture whose bytes are awaited no more."""
    return image.state is ImageState.OPEN and image.ends_at_ms <= now_ms


def may_still_be_shown(image: Image, *, now_ms: int) -> bool:
    """A permit that was given may be on its way."""
    return now_ms < image.permitted_at_ms + SPARED_MS


def _text(ids: Iterable[int]) -> str:
    return " ".join(map(str, ids))
