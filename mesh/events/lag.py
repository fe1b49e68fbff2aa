"""How far a consumer group is behind, as metrics show it: asked of the stream every few seconds, and absent while nobody knows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from mesh import deadline
from mesh.events.metrics import CONSUMER_LAG, CONSUMER_LAG_AGE
from mesh.events.stream.port import Stream, StreamUnavailable
from mesh.metrics import GROUPS, TOPICS
from mesh.telemetry import Telemetry

EVERY_S: Final = 5.0
ASK_S: Final = 2.0
"""How long the stream may take to tell, in seconds."""

_log = logging.getLogger("clipmesh.events")


class LagWatch:
    """The lag of one group; every replica tells the same, for partitions that nobody reads count too."""

    def __init__(self, *, group: str, topics: Sequence[str], stream: Stream, telemetry: Telemetry) -> None:
        self._group = group
        self._topics = tuple(dict.fromkeys(topics))
        self._stream = stream
        self._telemetry = telemetry
        telemetry.metrics.know(GROUPS, [group])
        telemetry.metrics.know(TOPICS, self._topics)

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Let the metrics show what the stream tells now, or nothing."""
        try:
            with deadline.scope(ASK_S):
                lags = await self._stream.lag(self._topics, group=self._group)
        except Exception as error:  # an engine that cannot count must not end the process
            if not isinstance(error, StreamUnavailable):
                _log.error("the lag of a consumer group cannot be told", exc_info=error, extra={"consumer": self._group})
            self._show_nothing()
            return
        for topic in self._topics:
            mine = [lag for lag in lags if lag.topic == topic]
            oldest_ms = max((lag.oldest_ms for lag in mine), default=0)
            self._telemetry.set(CONSUMER_LAG, sum(lag.records for lag in mine), group=self._group, topic=topic)
            self._telemetry.set(CONSUMER_LAG_AGE, oldest_ms / 1000, group=self._group, topic=topic)

    def _show_nothing(self) -> None:
        """An old number would say that all is well."""
        for topic in self._topics:
            for metric in (CONSUMER_LAG, CONSUMER_LAG_AGE):
                self._telemetry.clear(metric, group=self._group, topic=topic)
