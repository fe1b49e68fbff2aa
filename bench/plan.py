"""What a bench is given, and what it is: its name, its sentence, how long it may take."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar, cast

from bench.outcome import Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How thorough to be, and where to work."""

    folder: Path
    """Empty at first and gone afterwards."""
    quick: bool = False
    """Run everything once and small: it shows that the bench works, its figures say nothing."""
    long: bool = False
    """Also what takes many minutes."""

    def size(self, full: T, quick: T) -> T:
        """One of the two."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One module of this package."""

    module: ModuleType
    bound_s: float
    """After so many seconds it is cancelled and counts as failed."""

    @property
    def name(self) -> str:
        """The word on the command line."""
        return self.module.__name__.rpartition(".")[2].replace("_", "-")

    @property
    def sentence(self) -> str:
        """What it compares, as its module opens."""
        return inspect.cleandoc(self.module.__doc__ or "").splitlines()[0]

    @property
    def run(self) -> Callable[[Plan], Awaitable[Outcome]]:
        """Measures. Raises Skipped, DifferentWork and whatever the measured parts raise."""
        return cast(Callable[[Plan], Awaitable[Outcome]], self.module.run)
