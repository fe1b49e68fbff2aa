"""Tells rows and bytes that are not of one system: nothing may be removed on the word of the other's rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

MOST_UNKNOWN = 20
"""When more ids than this, and more than half of those of a page, have no row at all, it is the rows that are wrong, and nothing is removed."""


def is_other_system(ids: Collection[int], rows: Mapping[int, object]) -> bool:
    """True when so many ids have no row that the rows are most likely not those of this bucket."""
    named = {one for one in ids if one}
    unknown = len(named - rows.keys())
    return unknown > MOST_UNKNOWN and unknown * 2 > len(named)
