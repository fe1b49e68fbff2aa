"""What a bench found: sides with their samples, figures made of them, and whether each figure reached its aim."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.turns import Trial

MET, MISSED, NO_AIM = "met", "missed", "no aim"


class Skipped(Exception):
    """The bench cannot run here or was not asked to; the text says what it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a figure should be: at most or at least `value`."""

    value: float
    least: bool = False

    def met_by(self, value: float) -> bool:
        """Whether a figure is good enough; equal is."""
        return value >= self.value if self.least else value <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {self.value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One thing that was measured several times."""

    name: str
    unit: str
    samples: tuple[float, ...]
    """In the order in which they were taken."""

    @property
    def median(self) -> float:
        """The sample in the middle."""
        return statistics.median(self.samples)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"name": self.name, "unit": self.unit, "median": self.median, "samples": list(self.samples)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with what it was made of."""

    name: str
    unit: str
    """`x` for the ratio of the first side's median to that of the second."""
    value: float
    sides: tuple[Side, ...]
    aim: Aim | None = None

    @property
    def verdict(self) -> str:
        """MET, MISSED or NO_AIM."""
        if self.aim is None:
            return NO_AIM
        return MET if self.aim.met_by(self.value) else MISSED

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "sides": [side.as_json() for side in self.sides],
            "aim": None if self.aim is None else str(self.aim),
            "verdict": self.verdict,
        }


def ratio(name: str, ours: Side, other: Side, *, aim: Aim | None = None) -> Figure:
    """How many times `other` our side is; both in one unit."""
    if ours.unit != other.unit:
        raise ValueError(f"{name}: {ours.unit} cannot be divided by {other.unit}")
    return Figure(name=name, unit="x", value=ours.median / other.median, sides=(ours, other), aim=aim)


def value(name: str, side: Side, *, aim: Aim | None = None) -> Figure:
    """The median of one side by itself."""
    return Figure(name=name, unit=side.unit, value=side.median, sides=(side,), aim=aim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that one bench has to say."""

    figures: Sequence[Figure]
    trials: Sequence[Trial] = ()
    """The turns that the figures were made of: their order, and what each side did."""
    sources: Sequence[str] = ()
    """What was worked on: files with size and bit rate, programs with version, numbers of calls."""
    notes: Sequence[str] = field(default_factory=tuple)
    """What a reader has to know to believe the figures."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "figures": [figure.as_json() for figure in self.figures],
            "trials": [trial.as_json() for trial in self.trials],
            "sources": list(self.sources),
            "notes": list(self.notes),
        }
