"""Which media type an Accept header asks for, and which content types are JSON."""

from __future__ import annotations

import pytest

from gateway.protocols.negotiation import Media, accepted, is_json

J, G, E, P = Media.JSON, Media.GRAPHQL, Media.EVENTS, Media.PAGE
PENDING, PATHS, SUBSCRIPTION = Media.PARTS_PENDING, Media.PARTS_PATHS, Media.PARTS_SUBSCRIPTION


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
        ("multipart/mixed", [PENDING]),
        ("multipart/mixed; incrementalSpec=v0.2, application/json", [PENDING, J]),
        ('multipart/mixed;boundary="-";deferSpec="20220824", application/json;q=0.9', [PATHS, J]),
        ("application/json, multipart/mixed; deferSpec=20220824", [J, PATHS]),
        ('multipart/mixed;subscriptionSpec="1.0", application/json', [SUBSCRIPTION, J]),
        ("multipart/mixed; deferSpec=20991231, application/json", [J]),
        ("multipart/mixed; subscriptionSpec=2.0, application/json", [J]),
        ("multipart/mixed; deferSpec=20220824; q=0, application/json", [J]),
        ("text/event-stream; incrementalSpec=v0.2", [Media.EVENTS_PENDING]),
        ("text/event-stream; deferSpec=20220824", [Media.EVENTS_PATHS]),
        ("text/event-stream; deferSpec=20991231", [E]),
        ("multipart/form-data", []),
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


@pytest.mark.parametrize(
    ("media", "header"),
    [
        (J, "application/json; charset=utf-8"),
        (Media.EVENTS_PATHS, "text/event-stream; charset=utf-8"),
        (PENDING, 'multipart/mixed; boundary="graphql"; incrementalSpec=v0.2'),
        (PATHS, 'multipart/mixed; boundary="graphql"; deferSpec=20220824'),
        (SUBSCRIPTION, 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'),
    ],
)
def test_what_is_written_says_how(media: Media, header: str) -> None:
    assert media.content_type == header
