"""Variables of an operation, read without walking their types for every request where they are plain.

Plain are strings, ids, booleans and small integers, and lists of them, sent just as they are kept. Whatever else comes, and every mistake, is graphql-core's
to read and to name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInputType,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    Undefined,
    VariableDefinitionNode,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource

_LEFT: Final = object()
"""What a reader answers to who sent something that is not plain."""
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1

Reader = Callable[[Any], Any]
"""A value as it was sent -> as resolvers take it, or _LEFT."""


class PlainVariables:
    """Reads the variables of one operation."""

    def __init__(self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> None:
        self._readers: list[tuple[str, GraphQLVariableSignature, Reader, bool]] | None = []
        for definition in definitions:
            signature = get_variable_signature(schema, definition)
            reader = None if isinstance(signature, GraphQLError) else reader_of(signature.type)
            if isinstance(signature, GraphQLError) or reader is None:
                self._readers = None
                return
            may_miss = definition.default_value is None and not is_non_null_type(signature.type)
            self._readers.append((signature.name, signature, reader, may_miss))

    def read(self, sent: Mapping[str, Any]) -> VariableValues | None:
        """The values, None when not all of them are plain."""
        if self._readers is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, reader, may_miss in self._readers:
            value = sent.get(name, Undefined)
            if value is Undefined:
                if not may_miss:
                    return None
                sources[name] = VariableValueSource(signature)
                continue
            read = reader(value)
            if read is _LEFT:
                return None
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = read
        return VariableValues(sources, coerced)


def reader_of(kind: GraphQLInputType) -> Reader | None:
    """How values of a type are read; None for types that are never plain."""
    nullable = not is_non_null_type(kind)
    inner: Any = kind if nullable else kind.of_type  # type: ignore[union-attr]
    missing = None if nullable else _LEFT
    if not is_list_type(inner):
        return _leaf(inner, missing)
    one = None if is_list_type(inner.of_type) else reader_of(inner.of_type)
    if one is None:
        return None

    def many(value: Any) -> Any:
        if type(value) is not list:
            return missing if value is None else _LEFT
        read = [one(item) for item in value]
        return _LEFT if _LEFT in read else read

    return many


def _leaf(kind: Any, missing: Any) -> Reader | None:
    if kind in (GraphQLString, GraphQLID):
        return lambda value: value if type(value) is str else missing if value is None else _LEFT
    if kind is GraphQLBoolean:
        return lambda value: value if value is True or value is False else missing if value is None else _LEFT
    if kind is GraphQLInt:
        return lambda value: value if type(value) is int and _INT_MIN <= value <= _INT_MAX else missing if value is None else _LEFT
    return None
