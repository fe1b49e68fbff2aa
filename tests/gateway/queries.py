"""Random queries that are valid for a schema: aliases, fragments, conditions, variables with and without defaults, abstract types."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_interface_type,
    is_list_type,
    is_object_type,
    is_required_argument,
)
from hypothesis import strategies as st

DEEPEST = 4
MANY = frozenset({"videos", "nodes", "forYou", "edges", "node", "creator", "sound"})
"""Fields that are asked more often than others: below them most can go wrong."""
WORDS: dict[str, Sequence[Any]] = {
    "Int": (0, 1, 2, 20, 21, -1),
    "String": ("", "person1", "nobody", "MDo", "no cursor", None),
    "Boolean": (True, False),
}
"""Values of arguments by their type; ids are the caller's."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query with its variables."""

    text: str
    variables: dict[str, Any]


@dataclass(slots=True)
class _Writing:
    draw: Any
    schema: GraphQLSchema
    ids: Sequence[str]
    numbers: Any = field(default_factory=itertools.count)
    declared: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)

    def chance(self, of: int) -> bool:
        """One in `of`."""
        return bool(self.draw(st.integers(1, of)) == of)

    def query(self) -> Query:
        kind = self.schema.query_type
        assert kind is not None
        selection = self.selection(kind, 0)
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return Query("\n".join([f"query Q{declared} {selection}", *self.fragments]), self.variables)

    def selection(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        """At least one field: an empty selection is no GraphQL."""
        parts = [self.part(kind, depth) for _ in range(self.draw(st.integers(1, 3)))]
        return f"{{ {' '.join(parts)} }}"

    def part(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        if self.chance(6) and depth < DEEPEST:
            return self.fragment(kind, depth)
        names = sorted(name for name, one in kind.fields.items() if depth < DEEPEST or not is_composite_type(get_named_type(one.type)))
        often = [name for name in names if name in MANY]
        name = self.draw(st.sampled_from(["__typename", *names, *often * 3]))
        if name == "__typename":
            return self.condition(name)
        return self.field(name, kind.fields[name], depth)

    def field(self, name: str, definition: GraphQLField, depth: int) -> str:
        # Fields with arguments get names of their own: with the same name they would have to be equal.
        written = [
            self.argument(one, argument) for one, argument in definition.args.items() if is_required_argument(argument) or self.chance(2)
        ]
        arguments = f"({', '.join(written)})" if written else ""
        alias = f"a{next(self.numbers)}: " if definition.args or self.chance(5) else ""
        inner = get_named_type(definition.type)
        below = ""
        if is_object_type(inner) or is_interface_type(inner):
            below = " " + self.selection(inner, depth + 1)
        return f"{self.condition(f'{alias}{name}{arguments}')}{below}"

    def fragment(self, kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        others = [*self.schema.get_possible_types(kind)] if isinstance(kind, GraphQLInterfaceType) else [*kind.interfaces]
        on = self.draw(st.sampled_from([kind, *others]))
        body = self.selection(on, depth + 1)
        if self.chance(2):
            return f"{self.condition(f'... on {on.name}')} {body}"
        name = f"F{next(self.numbers)}"
        self.fragments.append(f"fragment {name} on {on.name} {body}")
        spread = self.condition(f"...{name}")
        return f"{spread} {self.condition(f'...{name}')}" if self.chance(4) else spread

    def condition(self, text: str) -> str:
        if not self.chance(12):
            return text
        word = self.draw(st.sampled_from(["skip", "include"]))
        value = self.draw(st.booleans())
        return f"{text} @{word}(if: {self.variable('Boolean!', value) if self.chance(2) else json.dumps(value)})"

    def argument(self, name: str, definition: GraphQLArgument) -> str:
        value = self.value(definition)
        inner = get_named_type(definition.type)
        if self.chance(2):
            return f"{name}: {self.variable(str(definition.type), value)}"
        return f"{name}: {value if isinstance(inner, GraphQLEnumType) and value else json.dumps(value)}"

    def value(self, definition: GraphQLArgument) -> Any:
        inner = get_named_type(definition.type)
        if isinstance(inner, GraphQLEnumType):
            return self.draw(st.sampled_from(sorted(inner.values)))
        words = (
            self.ids
            if inner.name == "ID"
            else [one for one in WORDS[inner.name] if one is not None or not is_required_argument(definition)]
        )
        if is_list_type(get_nullable_type(definition.type)):
            return self.draw(st.lists(st.sampled_from(words), min_size=1, max_size=6))
        if definition.default_value is not None and isinstance(definition.default_value, int):
            words = [one for one in words if one is not None]
        return self.draw(st.sampled_from(words))

    def variable(self, kind: str, value: Any) -> str:
        name = f"v{next(self.numbers)}"
        default = ""
        if kind in {"Int", "Int!"} and self.chance(3):
            default = f" = {self.draw(st.sampled_from(WORDS['Int']))}"
        self.declared.append(f"${name}: {kind}{default}")
        if not default or self.chance(2):
            self.variables[name] = value
        return f"${name}"


def queries(schema: GraphQLSchema, ids: Sequence[str]) -> st.SearchStrategy[Query]:
    """Queries whose ids are among these."""

    @st.composite
    def written(draw: Any) -> Query:
        return _Writing(draw, schema, ids).query()

    return written()
