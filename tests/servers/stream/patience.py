"""Publishing as a relay does: a first use of a broker makes topics and asks for numbers, which takes longer than a call on a busy machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from mesh.events.stream.port import Record, Stream, StreamUnavailable

WITHIN_S: Final = 60.0


async def published(stream: Stream, records: Sequence[Record]) -> None:
    """Return when the stream has them, some maybe twice."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                await stream.publish(records)
            except StreamUnavailable:
                continue
            return
