"""Pictures of people out of what they sent: the media toolbox as areas see it that are no toolbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mesh.errors import Unavailable

Squares = Callable[[Path, Sequence[int]], Awaitable[Mapping[int, bytes]]]
"""WebP by side, of the middle of a picture at an absolute path. Raises PictureRefused where the bytes are to blame, Unavailable where the machine is."""

_log = logging.getLogger("clipmesh.video")


class PictureRefused(Exception):
    """The bytes cannot become a picture; `code` is a stable word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def squares_of(source: Path, sides: Sequence[int]) -> Mapping[int, bytes]:
    """`Squares` as the sandbox makes them."""
    toolbox: Any = await asyncio.to_thread(_toolbox)
    try:
        made: Mapping[int, bytes] = await toolbox.make_squares(source, sides=sides)
    except toolbox.PictureRefused as refused:
        raise PictureRefused(refused.reason.value) from refused
    except toolbox.MediaToolFailed as error:
        _log.warning("a picture was not decoded", extra={"tool": error.tool, "problem": error.problem})
        raise Unavailable("pictures cannot be decoded now; try again") from error
    return made


def _toolbox() -> ModuleType:
    """Loaded with the first picture: what it needs is large, and a service without pictures has no use for it."""
    from svc_video.processing.media import squares  # noqa: PLC0415

    return squares
