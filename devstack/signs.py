"""Gauges that say that something is wrong though everything serves: from where on, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from devstack.refusals import Samples
from devstack.troubles import Trouble
from mesh.events.archive.metrics import ARCHIVE_AGE
from mesh.metrics import Metric
from svc_video.uploads.metrics import MISSING, SWEEP_HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One gauge that ought to be low."""

    metric: Metric
    most: float
    """The highest value at which all is well."""
    what: str
    """In words; `{process}`, `{value}` and the labels of the metric are filled in."""
    todo: str


SIGNS: Final = (
    Sign(
        metric=MISSING,
        most=0,
        what="{value:.0f} clips lack bytes in the store of objects ({what})",
        todo="run/logs/{process}.log names them; restore the objects, or: clipmesh jobs redo --whole VIDEO",
    ),
    Sign(
        metric=SWEEP_HELD,
        most=0,
        what="{process} cleans nothing up: tables and objects are not of one system ({way})",
        todo="nothing was removed; put the pair together that belongs together",
    ),
    Sign(
        metric=ARCHIVE_AGE,
        most=3_600,
        what="{process} archived nothing for {value:.0f} s",
        todo="run/logs/{process}.log tells why; events stay in the tables meanwhile, which grow",
    ),
)


def signs_of(samples: Mapping[str, Samples]) -> Iterator[Trouble]:
    """What the gauges of all processes say, in the order of the list above."""
    for sign in SIGNS:
        for process, page in sorted(samples.items()):
            for labels, value in page.get(f"clipmesh_{sign.metric.name}", ()):
                if value > sign.most:
                    said = {**labels, "process": process, "value": value}
                    yield Trouble(sign.what.format_map(said), sign.todo.format_map(said))
