"""Ranges of a clustering key cut into slices: together they hold exactly the rows of the range, in its order, whatever the directions."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from mesh.stores.tables.cql.slices import Slice, slices

_values = st.integers(0, 2)
_ranges = st.tuples(
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.lists(_values, max_size=3),
    st.lists(_values, max_size=3),
)


def holds(asked: Slice, row: tuple[int, ...]) -> bool:
    """What a server does with the conditions of a slice."""
    values = iter(asked.values)
    for condition in filter(None, asked.conditions.split(" AND ")):
        found = re.fullmatch(r'"c(\d)" (=|<|>|<=|>=) \?', condition)
        assert found is not None
        left, right = row[int(found[1])], next(values)
        assert isinstance(right, int)
        if not {"=": left == right, "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[found[2]]:
            return False
    return True


def ordered(row: tuple[int, ...], descending: list[bool]) -> tuple[int, ...]:
    """A key that sorts rows as the columns do."""
    return tuple(-value if falls else value for value, falls in zip(row, descending, strict=False))


@given(_ranges)
def test_slices_hold_the_rows_of_the_range_in_order(drawn: tuple[list[bool], list[int], list[int]]) -> None:
    descending, start, last = drawn
    start, last = start[: len(descending)], last[: len(descending)]
    columns = [(f"c{at}", falls) for at, falls in enumerate(descending)]
    rows = sorted(itertools.product(range(3), repeat=len(descending)), key=lambda row: ordered(row, descending))

    def inside(row: tuple[int, ...]) -> bool:
        key = ordered(row, descending)
        return ordered(tuple(start), descending) <= key[: len(start)] and key[: len(last)] <= ordered(tuple(last), descending)

    found = [row for asked in slices(columns, start, last) for row in rows if holds(asked, row)]
    assert found == [row for row in rows if inside(row)]
    if len(start) == len(descending):
        behind = [row for asked in slices(columns, start, last, inclusive=False) for row in rows if holds(asked, row)]
        assert behind == [row for row in found if row != tuple(start)]


def test_each_slice_is_one_range_of_the_key() -> None:
    columns = [("a", True), ("b", False)]
    assert list(slices(columns, (), ())) == [Slice("", ())]
    assert list(slices(columns, (5,), (5,))) == [Slice('"a" = ?', (5,))]
    assert list(slices(columns, (5, "x"), (), inclusive=False)) == [Slice('"a" = ? AND "b" > ?', (5, "x")), Slice('"a" < ?', (5,))]
    assert list(slices(columns, (5, "x"), (3, "y"))) == [
        Slice('"a" = ? AND "b" >= ?', (5, "x")),
        Slice('"a" < ? AND "a" > ?', (5, 3)),
        Slice('"a" = ? AND "b" <= ?', (3, "y")),
    ]
    assert list(slices(columns, (3,), (5,))) == []
