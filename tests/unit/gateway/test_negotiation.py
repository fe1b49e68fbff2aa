"""Which media type an Accept header asks for, and which content types are JSON."""

from __future__ import annotations

import pytest

from gateway.protocols.negotiation import Media, accepted, is_json

J, G, E, P = Media.JSON, Media.GRAPHQL, Media.EVENTS, Media.PAGE


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, [J]),
        ("", [J]),
        ("*/*", [J]),
        ("application/*", [J]),
        ("application/json", [J]),
        ("application/graphql-response+json", [G]),
        ("application/graphql-response+json, application/json;q=0.9", [G, J]),
        ("application/json, application/graphql-response+json", [J, G]),
        ("application/json;q=0.5, application/graphql-response+json;q=0.8", [G, J]),
        ("Application/JSON; charset=utf-8", [J]),
        ("text/event-stream", [E]),
        ("text/event-stream, application/json", [E, J]),
        ("text/html,application/xhtml+xml,*/*;q=0.8", [P, J]),
        ("application/json;q=0", []),
        ("application/json;q=nonsense", []),
        ("application/json;q=0, */*", [G]),
        ("*/*, application/json;q=0", [G]),
        ("application/json;q=0, application/graphql-response+json;q=0, */*", []),
        ("application/graphql-response+json;q=0, */*", [J]),
        ("*/*;q=0", []),
        ("*/*;q=0.1, text/event-stream", [E, J]),
        ("text/html;q=0, application/*", [J]),
        ("image/png", []),
        (", ;q=1,,", []),
        ("image/png," * 100 + "application/json", []),
    ],
)
def test_accept(header: str | None, expected: list[Media]) -> None:
    assert accepted(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", True),
        ("application/json; charset=UTF-8", True),
        ('application/json;charset="utf-8"', True),
        ("application/json; charset=utf-16", False),
        ("application/jsonp", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
    ],
)
def test_content_type(header: str, expected: bool) -> None:
    assert is_json(header) is expected
