"""What a mark in the stream tells a relay: nothing is missing, or from where on it is.

Each relayed shard has a run of marks of its own in the stream; a mark is its number in the run and the outbox position up to which everything is
in the stream. Redis copies asynchronously, so a server that took over has a beginning of what the other acknowledged, and the mark in it is one
that was written earlier: behind its position everything goes out again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a relay goes on."""

    lineage: str
    """The name of the run of marks."""
    tick: int
    """The highest number of the run so far."""
    mark: str
    """What stands in the stream."""
    back_to: str | None = None
    """The outbox position behind which the stream lacks events that it had acknowledged; None when it lacks none."""


def mark_text(tick: int, position: str) -> str:
    """A mark as it stands in the stream."""
    return f"{tick}:{position}"


def standing_of(mark: str, *, lineage: str, tick: int) -> Standing:
    """What `mark` says to a row that stands at `tick` of the run `lineage`.

    What cannot be explained begins another run and sends everything again that is kept: a server that never saw the run, a row that was restored
    from a backup.
    """
    number, _, position = mark.partition(":")
    found = int(number) if number.isascii() and number.isdigit() else 0
    if found > tick + 1 or (not found and tick):
        return new_standing(back_to="")
    if found < tick:
        # The numbers go on from the highest, so that none of the lost ones is ever taken for a later one.
        return Standing(lineage=lineage, tick=tick, mark=mark, back_to=position)
    # One ahead: a relay died after it published and before it said so.
    return Standing(lineage=lineage, tick=found, mark=mark)


def new_standing(*, back_to: str | None = None) -> Standing:
    """The beginning of a run under a name that none had before."""
    return Standing(lineage=secrets.token_hex(8), tick=0, mark="", back_to=back_to)
