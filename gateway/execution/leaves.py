"""How scalars and enums are written into an answer: the usual value by a look at its type, every other one as graphql-core does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)

Leaf = Callable[[Any], Any]
"""Value of a field -> value in the answer; raises what makes it a field error."""

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


def leaf_of(kind: GraphQLLeafType, *, nullable: bool, where: str) -> Leaf:
    """Writes values of a leaf type; `where` names the field for who may not be null."""
    coerce = kind.coerce_output_value

    def other(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None if nullable else refuse_null(where)
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise TypeError(f"{kind} wrote nothing for {where}")
        return coerced

    if kind in (GraphQLString, GraphQLID):
        return lambda value: value if type(value) is str else other(value)
    if kind is GraphQLBoolean:
        return lambda value: value if value is True or value is False else other(value)
    if kind is GraphQLInt:
        return lambda value: value if type(value) is int and _INT_MIN <= value <= _INT_MAX else other(value)
    if isinstance(kind, GraphQLEnumType) and (members := _members(kind, coerce)):
        enum = type(next(iter(members)))
        return lambda value: members[value] if type(value) is enum else other(value)
    return other


def refuse_null(where: str) -> Any:
    """Raises, as a field that may not be null does."""
    raise TypeError(f"Cannot return null for non-nullable field {where}.")


def _members(kind: GraphQLEnumType, coerce: Leaf) -> dict[Any, str]:
    """Python's members -> their names; empty when the enum is none of Strawberry's."""
    wrapped = getattr(kind, "wrapped_cls", None)
    return {member: coerce(member) for member in wrapped} if wrapped is not None else {}
