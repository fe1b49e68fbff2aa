"""How many copies have to answer: within the data centre for rows of a home region, across all of them for global rows."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Scope


class Level(enum.StrEnum):
    """Consistency levels by their CQL names."""

    LOCAL_QUORUM = "LOCAL_QUORUM"
    QUORUM = "QUORUM"
    LOCAL_SERIAL = "LOCAL_SERIAL"
    SERIAL = "SERIAL"


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one table."""

    plain: Level
    """Of reads and writes: two quorums meet, so a read sees every write that returned before it began."""
    serial: Level
    """Of conditional writes, and of reads that settle them."""


LOCAL = Levels(Level.LOCAL_QUORUM, Level.LOCAL_SERIAL)
LEVELS = {Scope.HOME_REGION: LOCAL, Scope.GLOBAL: Levels(Level.QUORUM, Level.SERIAL)}
