"""Ranges of a clustering key as CQL takes them: a tuple comparison cannot mix directions, so a range becomes a few slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mesh.stores.tables.rows import Scalar


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that share the values of the first columns and lie between two values of the next one."""

    conditions: str
    """What stands in WHERE, one `?` for each value; empty takes everything."""
    values: tuple[Scalar, ...]


def quoted(name: str) -> str:
    """A name as CQL takes it whatever it spells."""
    return f'"{name}"'


def slices(
    columns: Sequence[tuple[str, bool]], start: Sequence[Scalar], last: Sequence[Scalar], *, inclusive: bool = True
) -> Iterator[Slice]:
    """Slices that, one after the other, cover all rows from the prefix `start` to the prefix `last`, both included, in the order of `columns`, which
    are (name, descending). Without `inclusive` the rows at `start` itself are left out.
    """
    same = 0
    while same < min(len(start), len(last)) and start[same] == last[same]:
        same += 1
    if same == len(start) and start and not inclusive:
        return
    if same < min(len(start), len(last)) and not _precedes(start[same], last[same], descending=columns[same][1]):
        return
    for at in range(len(start) - 1, same, -1):
        yield _slice(columns, start[:at], at, low=start[at], low_too=inclusive and at == len(start) - 1)
    yield _slice(
        columns,
        start[:same],
        same,
        low=start[same] if same < len(start) else None,
        low_too=inclusive and same == len(start) - 1,
        high=last[same] if same < len(last) else None,
        high_too=same == len(last) - 1,
    )
    for at in range(same + 1, len(last)):
        yield _slice(columns, last[:at], at, high=last[at], high_too=at == len(last) - 1)


def _precedes(one: Scalar, other: Scalar, *, descending: bool) -> bool:
    return one > other if descending else one < other  # type: ignore[operator]


def _slice(
    columns: Sequence[tuple[str, bool]],
    prefix: Sequence[Scalar],
    at: int,
    *,
    low: Scalar | None = None,
    low_too: bool = False,
    high: Scalar | None = None,
    high_too: bool = False,
) -> Slice:
    """Rows with this prefix whose next column lies between `low` and `high` in the order of the column."""
    conditions = [f"{quoted(name)} = ?" for name, _ in columns[: len(prefix)]]
    values = list(prefix)
    for bound, sign, too in ((low, ">", low_too), (high, "<", high_too)):
        if bound is not None:
            name, descending = columns[at]
            turned = {"<": ">", ">": "<"}[sign] if descending else sign
            conditions.append(f"{quoted(name)} {turned}{'=' if too else ''} ?")
            values.append(bound)
    return Slice(" AND ".join(conditions), tuple(values))
