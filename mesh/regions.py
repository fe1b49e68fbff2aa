"""Which regions there are, and where each keeps the rows of its people: `CLIPMESH_REGIONS="eu:1=clipmesh_eu us:2=clipmesh_us"`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")
_LAST: Final = 15
"""Ids have four bits for the region."""
_FORM: Final = "CLIPMESH_REGIONS takes NAME:NUMBER=PLACE for each region, with spaces between them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region as every process knows it."""

    name: str
    number: int
    """Part of every id that is made there, 1 to 15; 0 where there is one region alone."""
    place: str
    """The keyspace or the folder of its people's rows; empty where there is one region alone."""


ONE: Final = Region(name="", number=0, place="")
"""The region of who configures none."""


def parse_regions(text: str) -> Mapping[str, Region]:
    """The map of all regions by name. Raises ValueError, whose line says how to mend it."""
    regions: dict[str, Region] = {}
    for word in text.split():
        named, equals, place = word.partition("=")
        name, colon, number = named.partition(":")
        if not (equals and colon and place):
            raise ValueError(f"{_FORM}, not {word!r}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"CLIPMESH_REGIONS: {name!r} is no name of a region: up to 16 of a-z, 0-9 and -, beginning with a letter")
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= _LAST):
            raise ValueError(f"CLIPMESH_REGIONS: {number!r} is no number of a region: 1 to {_LAST}, never changed once ids were made")
        region = Region(name=name, number=int(number), place=place)
        for other in regions.values():
            if region.name == other.name or region.number == other.number or region.place == other.place:
                raise ValueError(f"CLIPMESH_REGIONS: {word!r} has name, number or place of {other.name}: each region has its own")
        regions[name] = region
    return regions


def region_of(name: str, regions: str) -> Region:
    """The region of a process, `ONE` when nothing is configured. Raises ValueError."""
    known = parse_regions(regions)
    if not name and not known:
        return ONE
    if name not in known:
        raise ValueError(
            f"CLIPMESH_REGION={name!r} is none of CLIPMESH_REGIONS, which has {', '.join(known) or 'none'}: set both or neither"
        )
    return known[name]
