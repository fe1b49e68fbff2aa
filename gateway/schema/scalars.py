"""Scalars: 64-bit integers as strings, moments as ISO-8601 UTC; ids as opaque strings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NewType

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

from gateway.errors import Fault

BigInt = NewType("BigInt", int)
"""A 64-bit integer, a string in JSON."""
DateTime = NewType("DateTime", int)
"""A moment in milliseconds since the Unix epoch, ISO-8601 UTC in JSON."""

_LARGEST = 2**63 - 1
_DIGITS = re.compile(r"-?\d{1,19}", re.ASCII)
_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII)


def _parse_big_int(value: object) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _DIGITS.fullmatch(text) or abs(int(text)) > _LARGEST:
        raise ValueError("a BigInt is a 64-bit integer written as a string")
    return int(text)


def _parse_moment(value: object) -> int:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("a DateTime is an ISO-8601 string")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a DateTime names its offset, for example Z")
    return int(moment.timestamp() * 1000)


def _serialise_moment(value: int) -> str:
    return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


SCALARS: Mapping[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A 64-bit integer; a string in JSON, so that no client rounds it.",
        serialize=str,
        parse_value=_parse_big_int,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, ISO-8601 with milliseconds: 2026-01-31T12:00:00.000Z.",
        serialize=_serialise_moment,
        parse_value=_parse_moment,
    ),
}

CONFIG = StrawberryConfig(auto_camel_case=True, scalar_map=SCALARS, disable_field_suggestions=True)


def id_of(number: int) -> strawberry.ID:
    """An id as clients see it."""
    return strawberry.ID(str(number))


def number_of(text: str) -> int:
    """An id as services see it. Raises the fault BAD_USER_INPUT for what is none of ours."""
    if not _ID.fullmatch(text) or int(text) > _LARGEST:
        raise Fault("BAD_USER_INPUT", "that is no id")
    return int(text)


def moment(ms: int) -> DateTime | None:
    """A moment, None for 0."""
    return DateTime(ms) if ms else None


def big(number: int) -> BigInt:
    """A 64-bit integer."""
    return BigInt(number)
