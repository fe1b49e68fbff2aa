"""Plain variables are read as graphql-core reads them; everything else is left to it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLList, GraphQLString, OperationDefinitionNode, build_schema, parse
from graphql.execution.values import VariableValues, get_variable_values

from gateway.execution.variables import PlainVariables, reader_of

SCHEMA = build_schema("type Query { a(s: String, i: ID, n: Int, b: Boolean, o: In, f: Float): Int } input In { x: Int } enum E { ONE }")
LEFT = "left to graphql-core"


def both(declared: str, sent: dict[str, Any]) -> tuple[Any, Any]:
    """(values as read here, values as graphql-core reads them) of a query that declares `declared`."""
    definition = parse(f"query({declared}) {{ __typename }}").definitions[0]
    assert isinstance(definition, OperationDefinitionNode)
    core = get_variable_values(SCHEMA, definition.variable_definitions or (), sent)
    found = PlainVariables(SCHEMA, definition.variable_definitions or ()).read(sent)
    return found, core


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        ("$a: String!", {"a": "x"}),
        ("$a: ID!", {"a": "7"}),
        ("$a: Int", {"a": -(2**31)}),
        ("$a: Boolean", {"a": False}),
        ("$a: String", {"a": None}),
        ("$a: String", {}),
        ("$a: String = 7", {"a": "x"}),
        ("$a: [ID!]!", {"a": ["1", "2"]}),
        ("$a: [ID!]!", {"a": []}),
        ("$a: [ID]", {"a": ["1", None]}),
        ("$a: [ID!]", {"a": None}),
        ("$a: [Int!]!, $b: Boolean!", {"a": [1, 2], "b": True, "c": "nobody asked"}),
    ],
)
def test_what_is_plain_is_read_as_graphql_core_reads_it(declared: str, sent: dict[str, Any]) -> None:
    found, core = both(declared, sent)
    assert isinstance(core, VariableValues)
    assert found.coerced == core.coerced
    for name, source in core.sources.items():
        own = found.sources[name]
        assert (own.value, own.signature.name, str(own.signature.type)) == (source.value, source.signature.name, str(source.signature.type))
    assert found.sources.keys() == core.sources.keys()
    assert {name: type(value) for name, value in found.coerced.items()} == {name: type(value) for name, value in core.coerced.items()}


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        ("$a: String!", {"a": 7}),
        ("$a: String!", {"a": None}),
        ("$a: String!", {}),
        ('$a: String = "x"', {}),
        ("$a: ID!", {"a": 7}),
        ("$a: Int", {"a": True}),
        ("$a: Int", {"a": 2**31}),
        ("$a: Int", {"a": 1.0}),
        ("$a: Boolean", {"a": 1}),
        ("$a: Float", {"a": 1.5}),
        ("$a: In", {"a": {"x": 1}}),
        ("$a: E", {"a": "ONE"}),
        ("$a: [ID!]!", {"a": "1"}),
        ("$a: [ID!]!", {"a": ["1", None]}),
        ("$a: [ID!]!", {"a": ["1", 2]}),
        ("$a: [ID!]!", {"a": None}),
        ("$a: [[ID]]", {"a": [["1"]]}),
        ("$a: Nothing", {"a": "1"}),
        ("$a: String, $b: Float", {"a": "x", "b": 1}),
    ],
)
def test_what_is_not_plain_is_left_to_graphql_core(declared: str, sent: dict[str, Any]) -> None:
    assert both(declared, sent)[0] is None


def test_what_resolvers_get_is_not_what_was_sent() -> None:
    sent = ["1"]
    found, _ = both("$a: [ID!]!", {"a": sent})
    assert found.coerced["a"] is not sent, "a resolver that changes its list must not change what was sent"


def test_deep_types_are_never_walked() -> None:
    kind: Any = GraphQLString
    for _ in range(2_000):
        kind = GraphQLList(kind)
    assert reader_of(kind) is None
