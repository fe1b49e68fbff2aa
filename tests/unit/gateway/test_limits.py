"""Limits of documents: each bound by name, exact on its edge, and refused quickly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from graphql import GraphQLError, parse

from gateway.errors import Fault
from gateway.execution.documents import Document, Documents, Invalid
from gateway.execution.engine import Asked, Engine
from gateway.execution.limits import OperationLimits, TooCostly, check_shape
from gateway.schema.root import make_schema
from tests.pace import cpu_ms

LIMITS = OperationLimits()
SCHEMA = make_schema()


def engine(limits: OperationLimits = LIMITS, *, introspection: bool = False, cached_characters: int = 0) -> Engine:
    return Engine(schema=SCHEMA, limits=limits, introspection=introspection, cached_characters=cached_characters)


def refused(query: str, limits: OperationLimits = LIMITS) -> GraphQLError:
    with pytest.raises(Invalid) as invalid:
        engine(limits).plan(Asked(query=query))
    return invalid.value.errors[0]


def nested(depth: int) -> str:
    """`depth` levels of fields."""
    return "{ a " * (depth - 1) + "{ b }" + "}" * (depth - 1)


SHAPES: dict[str, tuple[Callable[[int], str], int]] = {
    "depth": (nested, 16),
    "rootFields": (lambda count: "{" + " ".join(f"f{number}" for number in range(count)) + "}", 20),
    "fields": (lambda count: "{ a {" + " ".join(f"f{number}" for number in range(count - 1)) + "} }", 400),
    "aliases": (lambda count: "{ a {" + " ".join(f"f{number}: x" for number in range(count)) + "} }", 40),
    "repeats": (lambda count: "{ a {" + "x " * (count + 1) + "} }", 100),
    "directives": (lambda count: "{ a " + "@skip(if: false) " * count + "}", 40),
    "spreads": (lambda count: "{ a {" + "... { x } " * (count - count // 2) + "...F " * (count // 2) + "} } fragment F on T { y }", 100),
    "defers": (lambda count: "{ a {" + "... @defer { x } " * (count - 1) + "...F @defer" + "} } fragment F on T { y }", 10),
    "variables": (lambda count: "query(" + " ".join(f"$v{number}: Int" for number in range(count)) + ") { x }", 50),
    "arguments": (lambda count: "{ x(" + " ".join(f"a{number}: 1" for number in range(count)) + ") }", 20),
    "literals": (lambda count: "{ x(a: [" + "1 " * (count - 1) + "]) @d(a: {b: 1}) }", 400),
    "operations": (lambda count: " ".join(f"query Q{number} {{ x }}" for number in range(count)), 40),
    "fragments": (
        lambda count: (
            "{ "
            + " ".join(f"...F{number}" for number in range(count))
            + " }"
            + " ".join(f"fragment F{number} on Query {{ x }}" for number in range(count))
        ),
        40,
    ),
}


@pytest.mark.parametrize("limit", SHAPES)
def test_a_bound_holds_exactly(limit: str) -> None:
    make, most = SHAPES[limit]
    limits = replace(LIMITS, repeats=1_000) if limit == "spreads" else LIMITS
    check_shape(parse(make(most)), limits)
    with pytest.raises(TooCostly) as failed:
        check_shape(parse(make(most + 1)), limits)
    assert failed.value.limit == limit
    assert failed.value.extensions is not None
    assert failed.value.extensions["most"] == most


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        ("{ ...F } fragment F on Query " + nested(17), "depth"),
        ("{ " + "... { " * 20 + "a" + " }" * 20 + " }", "depth"),
        ("{ x } fragment Unused on Query " + nested(17), "depth"),
        ("query A { x } query B " + nested(17), "depth"),
        ("{ a { ...F } a { ...F } } fragment F on Query {" + "x: y " * 60 + "}", "aliases"),
        ("query($v: Int " + "@a " * 41 + ") { x }", "directives"),
        ("query " + "@a " * 41 + "{ x }", "directives"),
        ("{ ...F } fragment F on Query " + "@a " * 41 + "{ x }", "directives"),
        ("{ x } fragment F on Query @a(" + "b: 1 " * 21 + ") { x }", "arguments"),
        ("{ x(a: [" + "[1 2] " * 140 + "]) }", "literals"),
        ("query($v: T = [" + "1 " * 401 + "]) { x }", "literals"),
        ("{ x(a: {b: [" + "1 " * 200 + "]}) } fragment Unused on T { y(a: [" + "1 " * 200 + "]) }", "literals"),
        ("{ x } query B { x } fragment Unused on T { a {" + "... { x } " * 101 + "} }", "spreads"),
        ("query A(" + "$v: T " * 26 + ") { x } query B(" + "$v: T " * 26 + ") { x }", "variables"),
    ],
)
def test_no_way_around_a_bound(query: str, limit: str) -> None:
    with pytest.raises(TooCostly) as failed:
        check_shape(parse(query), LIMITS)
    assert failed.value.limit == limit


def test_fragments_that_double_at_every_level_are_counted_as_often_as_they_run() -> None:
    query = "{ a { ...F0 } } " + " ".join(f"fragment F{n} on T {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(12))
    with pytest.raises(TooCostly) as failed:
        check_shape(parse(query + " fragment F12 on T { x }"), LIMITS)
    assert failed.value.limit == "fields"


@pytest.mark.parametrize(
    "query",
    [
        "{ ...F } fragment F on Query { a { ...F } }",
        "{ ...F } fragment F on Query { a { ...G } } fragment G on Query { b { ...F } }",
        "{ x } fragment F on Query { a { ...F } }",
    ],
)
def test_a_fragment_within_itself_is_the_clients_mistake(query: str) -> None:
    with pytest.raises(Fault) as failed:
        check_shape(parse(query), LIMITS)
    assert failed.value.code == "BAD_USER_INPUT"


def test_tokens_length_and_nesting_of_the_text_are_bounded() -> None:
    for query, limit in (
        ("{ " + "a " * 2_000 + "}", "tokens"),
        ("#" + "x" * 33_000 + "\n{ a }", "documentBytes"),
        ("{ a" * 600 + "}" * 600, "depth"),
        ("{ a(x: " + "[" * 900 + "]" * 900 + ") }", "depth"),
    ):
        error = refused(query)
        assert isinstance(error, TooCostly)
        assert error.limit == limit


def test_the_question_of_graphiql_passes_in_development_and_not_a_deeper_one() -> None:
    kind = "name " + "ofType { name " * 7 + "}" * 7
    query = "{ __schema { types { fields { args { type { " + kind + " } } } } } }"
    engine(introspection=True).plan(Asked(query=query))
    deeper = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
    with pytest.raises(Invalid, match="introspection depth"):
        engine(introspection=True).plan(Asked(query=deeper))


HOSTILE = {
    "deep": '{ user(handle: "a") ' + "{ videos { edges { node { creator " * 40 + "{ id }" + "} } } } " * 40 + "}",
    "lists in lists": "{ forYou(first: 20) { edges { node { creator { videos(first: 100) { edges { node { creator { videos { edges { cursor } } } } } } } } } } }",
    "one field often": "{ " + "__typename " * 1_990 + "}",
    "many fields that are none": "{ me { " + " ".join(f"x{number}" for number in range(399)) + " } }",
    "fragments over fragments": "{ me { user { "
    + " ".join(f"...F{n}" for n in range(40))
    + " } } } "
    + " ".join(f"fragment F{n} on User {{ id handle displayName bio }}" for n in range(40)),
    "fragments that spread each other": "{ me { user { ...F0 } } } "
    + " ".join(f"fragment F{n} on User {{ id " + " ".join(f"...F{m}" for m in range(n + 1, 40)) + " }" for n in range(40)),
    "input fields often": "mutation { updateProfile(input: {" + 'bio: "x" ' * 490 + "}) { userErrors { code } } }",
    "arguments often": "{ user(" + 'id: "5" ' * 490 + ") { id } }",
    "arguments of a directive": "{ me @skip(" + "if: true " * 490 + ") { email } }",
    "many literals": "{ videos(ids: [" + '"5" ' * 1_900 + "]) { id } }",
    "many variables": "query(" + " ".join(f"$v{n}: Int" for n in range(490)) + ") { me { email } }",
    "many unused fragments": "{ me { email } } "
    + " ".join(f"fragment F{n} on User {{ id handle displayName bio verified isPrivate createdAt }}" for n in range(40)),
    "long string": '{ user(handle: "' + "\\n" * 16_000 + '") { i } }',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_refusal_takes_less_than_20_ms_of_cpu(name: str) -> None:
    hostile = engine()

    def refuse() -> None:
        with pytest.raises(Invalid):
            hostile.plan(Asked(query=HOSTILE[name]))

    assert cpu_ms(refuse) < 20


def test_as_many_fragments_as_are_allowed_are_read_in_20_ms_too() -> None:
    """Fourteen fragments that all spread each other: 92 spreads, valid, as slow as validation can get."""
    query = "{ me { user { ...F0 } } } " + " ".join(
        f"fragment F{n} on User {{ id handle displayName bio " + " ".join(f"...F{m}" for m in range(n + 1, 14)) + " }" for n in range(14)
    )
    assert cpu_ms(lambda: engine().plan(Asked(query=query))) < 20


def documents(cached_characters: int) -> Documents:
    return Documents(schema=SCHEMA._schema, limits=LIMITS, introspection=False, cached_characters=cached_characters)


def read(held: Documents, query: str) -> Document:
    document = held.read(query)
    held.validate(document)
    return document


def test_a_valid_document_is_read_once() -> None:
    held = documents(1_000)
    first = read(held, "{ me { email } }")
    assert read(held, "{ me { email } }") is first
    assert (held.hits, held.misses) == (1, 1)


def test_an_invalid_document_is_never_remembered() -> None:
    held = documents(1_000)
    for _ in range(2):
        with pytest.raises(Invalid):
            read(held, "{ nobody }")
    assert (held.hits, held.misses) == (0, 2)


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    queries = [f"{{ me {{ email }} }} # {number}" for number in range(4)]
    held = documents(len(queries[0]) * 3)
    for query in (*queries[:3], queries[0], queries[3]):
        read(held, query)
    assert held.hits == 1
    for query, known in ((queries[0], True), (queries[3], True), (queries[1], False)):
        before = held.hits
        read(held, query)
        assert (held.hits > before) is known


def test_at_most_ten_errors_are_told() -> None:
    with pytest.raises(Invalid) as invalid:
        engine().plan(Asked(query="{ me { " + " ".join(f"x{number}" for number in range(100)) + " } }"))
    assert len(invalid.value.errors) == 10


@pytest.mark.parametrize("spread", ["... @defer { email }", "...F @defer", "... on Account @defer(if: false) { email }"])
def test_defers_are_counted_wherever_they_stand(spread: str) -> None:
    fragment = " fragment F on Account { email }" if "F" in spread else ""
    few, many = ("{ me { " + f"{spread} " * count + "} }" + fragment for count in (LIMITS.defers, LIMITS.defers + 1))
    engine().plan(Asked(query=few))
    error = refused(many)
    assert isinstance(error, TooCostly)
    assert (error.limit, error.extensions) == ("defers", {"code": "QUERY_TOO_COSTLY", "limit": "defers", "most": 10, "found": 11})
