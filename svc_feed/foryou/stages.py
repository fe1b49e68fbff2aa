"""What the stages of one page did: counted for the answer and for the operator."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from mesh.errors import MeshError
from mesh.stores.tables.errors import TablesError
from mesh.telemetry import Telemetry
from svc_feed.metrics import STAGE_FAILURES, STAGE_SECONDS

_log = logging.getLogger("clipmesh.feed.stages")

EXPECTED = (TimeoutError, MeshError, TablesError, OSError)
"""What a store or a dependency answers when it is away; anything else is a bug of the stage and logged as one."""


@dataclass(frozen=True, slots=True)
class Count:
    """What one stage did."""

    stage: str
    count_in: int
    count_out: int
    took_us: int
    failed: bool = False


class StageLog:
    """The counts of one page, in the order in which the stages ended."""

    def __init__(self, *, telemetry: Telemetry) -> None:
        self.counts: list[Count] = []
        self._telemetry = telemetry

    @property
    def failed(self) -> list[str]:
        """Names of the stages that gave nothing."""
        return [count.stage for count in self.counts if count.failed]

    def done(self, stage: str, count_in: int, count_out: int, began_ns: int) -> None:
        """A stage ended."""
        self._add(Count(stage, count_in, count_out, _since_us(began_ns)))

    def gave_up(self, stage: str, began_ns: int, error: Exception) -> None:
        """A stage failed or ran out of time; the page goes on without it."""
        expected = isinstance(error, EXPECTED)
        _log.log(
            logging.WARNING if expected else logging.ERROR,
            "a stage gave nothing",
            exc_info=None if expected else error,
            extra={"stage": stage, "error_type": type(error).__name__},
        )
        self._telemetry.count(STAGE_FAILURES, stage=stage)
        self._add(Count(stage, 0, 0, _since_us(began_ns), failed=True))

    def _add(self, count: Count) -> None:
        self.counts.append(count)
        self._telemetry.observe(STAGE_SECONDS, count.took_us / 1e6, stage=count.stage)


def _since_us(began_ns: int) -> int:
    return (time.perf_counter_ns() - began_ns) // 1000
