"""The static price of operations: weights, sizes of lists, variables and defaults."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_named_type, is_object_type

from gateway.execution.costs import Cost, is_priced_list
from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Engine
from gateway.execution.limits import OperationLimits, TooCostly
from gateway.schema.root import make_schema

ENGINE = Engine(schema=make_schema(), limits=OperationLimits(cost=10**9), introspection=True, cached_characters=0)


def cost(query: str, **variables: Any) -> int:
    return ENGINE.plan(Asked(query=query, variables=variables)).cost


def feed(size: int, below: int) -> int:
    """forYou weighs 50, `edges` 1, each of its items what is asked below."""
    return 50 + 1 + size * below


@pytest.mark.parametrize(
    ("query", "variables", "expected"),
    [
        ("{ __typename }", {}, 1),
        ("{ me { email roles } }", {}, 3),
        ("{ forYou { edges { cursor } } }", {}, feed(10, 1)),
        ("{ forYou(first: 20) { edges { cursor } } }", {}, feed(20, 1)),
        ("query($n: Int!) { forYou(first: $n) { edges { cursor } } }", {"n": 7}, feed(7, 1)),
        ("query($n: Int!) { forYou(first: $n) { edges { cursor } } }", {"n": 7.0}, feed(7, 1)),
        ("query($n: Int! = 3) { forYou(first: $n) { edges { cursor } } }", {}, feed(3, 1)),
        ("query($n: Int! = 3) { forYou(first: $n) { edges { cursor } } }", {"n": 5}, feed(5, 1)),
        ("query($n: Int! = 3) { forYou(first: $n) { servedBy } }", {"n": 5}, 51),
        ("{ forYou(first: 2) { edges { node { id playback { mp4Url } } } } }", {}, feed(2, 1 + 1 + 3 + 1)),
        ("query($ids: [ID!]!) { videos(ids: $ids) { id } }", {"ids": ["1", "2", "3"]}, 1 + 3),
        ("query($ids: [ID!]!) { videos(ids: $ids) { id } }", {"ids": "1"}, 1 + 1),
        ('{ videos(ids: ["1", "2"]) { id } }', {}, 1 + 2),
        ('query($id: ID!) { videos(ids: ["1", $id]) { id } }', {"id": "2"}, 1 + 2),
        ('{ user(handle: "a") { videos { edges { cursor } } } }', {}, 1 + 200 + 1 + 20),
        ("{ ...Q } fragment Q on Query { me { email ...A } } fragment A on Account { email roles }", {}, 3),
        ('{ node(id: "5") { id ... on Video { caption } ... on User { handle } } }', {}, 1 + 3),
        ("{ me { email ... @defer { roles } } }", {}, 3 + 10),
        ("{ me { email ...A @defer(if: false) } } fragment A on Account { email roles }", {}, 3 + 10),
        ('{ me { ...A @defer ...A @defer(label: "b") } } fragment A on Account { email }', {}, 2 + 20),
        ("{ forYou(first: 4) { edges { node { id ... @defer { caption } } } } }", {}, feed(4, 1 + 2 + 10)),
        ('mutation { deleteVideo(input: {videoId: "5"}) { userErrors { code } } }', {}, 50 + 1 + 3),
    ],
)
def test_the_price_of(query: str, variables: dict[str, Any], expected: int) -> None:
    assert cost(query, **variables) == expected


def test_lists_within_lists_multiply() -> None:
    query = "{ forYou(first: 20) { edges { node { creator { videos(first: 100) { edges { cursor } } } } } } }"
    assert cost(query) == feed(20, 1 + 1 + 200 + 1 + 100)


def test_lists_within_lists_multiply_what_is_deferred() -> None:
    query = "{ forYou(first: 20) { edges { node { id ... @defer { caption } } } } }"
    assert cost(query) == feed(20, 1 + 1 + 1 + 10)
    assert cost(query.replace("@defer ", "")) == feed(20, 1 + 1 + 1)


def test_lists_that_take_a_call_for_each_parent_are_few() -> None:
    """Everything else below the top is batched; see docs/decisions/0012-one-call-of-each-kind.md."""
    batched = {"edges", "__typename"}
    by_parent = {
        f"{kind.name}.{name}": int(cost_of.weight)
        for kind in ENGINE._schema.type_map.values()
        if is_object_type(kind) and kind.name not in {"Query", "Mutation", "Subscription"}
        for name, field in kind.fields.items()
        if name not in batched and "after" in field.args
        for cost_of in field.extensions["strawberry-definition"].directives
        if isinstance(cost_of, Cost)
    }
    assert by_parent == dict.fromkeys(
        (
            *("User.videos", "User.followers", "User.following", "User.reposts", "Sound.videos", "Account.sessions"),
            *("Video.comments", "Video.replies"),
        ),
        200,
    )
    users = "{ reviewQueue(first: %d) { edges { node { creator { videos(first: 1) { pageInfo { hasNextPage } } } } } } }"
    engine = Engine(schema=make_schema(), limits=OperationLimits(), introspection=False, cached_characters=0)
    engine.plan(Asked(query=users % 48))
    with pytest.raises(Invalid, match="the operation costs"):
        engine.plan(Asked(query=users % 49))


def test_a_price_above_the_limit_is_refused_with_both_numbers() -> None:
    engine = Engine(schema=make_schema(), limits=OperationLimits(cost=70), introspection=False, cached_characters=10_000)
    query = "query($n: Int!) { forYou(first: $n) { edges { cursor } } }"
    assert engine.plan(Asked(query=query, variables={"n": 19})).cost == 70
    for size in (20, 1_000_000, 10**30):
        with pytest.raises(Invalid) as invalid:
            engine.plan(Asked(query=query, variables={"n": size}))
        (error,) = invalid.value.errors
        assert isinstance(error, TooCostly)
        assert error.extensions == {"code": "QUERY_TOO_COSTLY", "limit": "cost", "most": 70, "found": feed(size, 1)}


@pytest.mark.parametrize("wrong", ["7", True, {"a": 1}, -5, float("inf"), None])
def test_a_variable_that_is_no_size_never_breaks_the_price(wrong: object) -> None:
    assert cost("query($n: Int! = 3) { forYou(first: $n) { edges { cursor } } }", n=wrong) <= feed(3, 1)


def test_every_list_of_objects_says_how_long_it_may_be() -> None:
    sized_by_parent = {"edges"}
    unpriced = [
        f"{kind.name}.{name}"
        for kind in ENGINE._schema.type_map.values()
        if is_object_type(kind) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if name not in sized_by_parent and is_object_type(get_named_type(field.type)) and not is_priced_list(field)
    ]
    assert unpriced == []
