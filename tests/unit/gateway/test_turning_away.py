"""What a request is worth at a crowded edge, whose it is, and what it hears when it is turned away."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from typing import Any

import orjson
import pytest

from gateway.browsers import EXPOSED_HEADERS, Origins
from gateway.execution.documents import Documents
from gateway.execution.limits import OperationLimits
from gateway.overload.door import Door
from gateway.overload.urgency import person_of, priority_of_body, priority_of_path, says_in_body
from gateway.schema.root import make_schema
from mesh.access import Priority

SCHEMA = make_schema()

KNOWN = {
    "a clip": ('{ video(id: "5") { caption } }', Priority.PLAYBACK),
    "a clip and a feed": ('{ video(id: "5") { caption } forYou { servedBy } }', Priority.FEED),
    "a feed": ("{ forYou { servedBy } }", Priority.FEED),
    "uploads": ("{ uploads { edges { cursor } } }", Priority.WRITE),
    "a change": ("mutation { updateProfile(input: {}) { userErrors { code } } }", Priority.WRITE),
    "a sign-up": ("mutation($i: SignUpInput!) { signUp(input: $i) { userErrors { code } } }", Priority.PLAYBACK),
}


@pytest.fixture
def documents() -> Documents:
    documents = Documents(schema=SCHEMA._schema, limits=OperationLimits(), introspection=False, cached_characters=100_000)
    for text, _ in KNOWN.values():
        documents.validate(documents.read(text))
    return documents


@pytest.mark.parametrize("what", KNOWN)
def test_a_known_operation_is_as_urgent_as_its_least_urgent_field(documents: Documents, what: str) -> None:
    text, priority = KNOWN[what]
    assert priority_of_body(orjson.dumps({"query": text}), documents, lambda _: "") is priority


@pytest.mark.parametrize("what", KNOWN)
def test_a_document_that_is_asked_by_its_hash_is_as_urgent_as_its_text(documents: Documents, what: str) -> None:
    text, priority = KNOWN[what]
    body = orjson.dumps({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "f" * 64}}})
    assert priority_of_body(body, documents, {"f" * 64: text}.__getitem__) is priority
    assert priority_of_body(body, documents, lambda _: "") is Priority.FEED


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"query": 5}', b'{"query": []}', b'{"query": "{ never seen }"}', b'[{"query": "{ __typename }"}]', b'"x"']
)
def test_what_is_not_known_counts_as_feed_and_is_not_read(documents: Documents, body: bytes) -> None:
    assert priority_of_body(body, documents, lambda _: "") is Priority.FEED


@pytest.mark.parametrize(
    ("method", "path", "priority"),
    [
        ("GET", "/m/grant/1/720p.mp4", Priority.PLAYBACK),
        ("POST", "/oauth/token", Priority.PLAYBACK),
        ("GET", "/.well-known/jwks.json", Priority.PLAYBACK),
        ("POST", "/tus", Priority.WRITE),
        ("GET", "/graphql", Priority.FEED),
        ("OPTIONS", "/graphql", Priority.PLAYBACK),
    ],
)
def test_other_paths_are_as_urgent_as_what_they_serve(method: str, path: str, priority: Priority) -> None:
    assert priority_of_path(method, path) is priority
    assert not says_in_body(method, path)


def bearer(payload: bytes) -> bytes:
    return b"Bearer e30." + urlsafe_b64encode(payload).rstrip(b"=") + b".c2ln"


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        ({}, "192.0.2.1"),
        ({b"x-forwarded-for": b"198.51.100.7"}, "198.51.100.7"),
        ({b"cookie": b"theme=dark"}, "theme=dark"),
        ({b"cookie": b"theme=dark; clipmesh_session=s5.tag; x=y"}, "s5"),
        ({b"cookie": b"not_clipmesh_session=s5.tag"}, "not_clipmesh_session=s5.tag"),
        ({b"cookie": b"clipmesh_session=s5.tag", b"authorization": bearer(b'{"sub":"77"}')}, "77"),
        ({b"authorization": b"Bearer nonsense"}, "Bearer nonsense"),
        ({b"authorization": b"Bearer a.!!.c"}, "Bearer a.!!.c"),
        ({b"authorization": bearer(b"[]")}, bearer(b"[]").decode()),
        ({b"authorization": bearer(b'{"sub":')}, bearer(b'{"sub":').decode()),
    ],
)
def test_a_request_is_whose_the_services_will_take_it_for(fields: dict[bytes, bytes], person: str) -> None:
    assert person_of(fields, "192.0.2.1") == person


FRIEND = "https://friend.example"


@pytest.fixture
def told() -> Counter[Priority]:
    return Counter()


@pytest.fixture
def door(documents: Documents, told: Counter[Priority]) -> Door:
    """One that has more to do than it ever can."""

    def refused(priority: Priority, count: int) -> None:
        told[priority] += count

    origins = Origins(own="https://own.example", allowed=(FRIEND,))
    door = Door(documents=documents, origins=origins, refused=refused, text_of=lambda _: "")
    door.valve.open, door.valve.running = False, 1_000
    return door


def said(door: Door, path: str = "/graphql", **fields: str) -> tuple[dict[str, str], Any]:
    refusal = door.turns_away("POST", path, {name.encode(): value.encode() for name, value in fields.items()}, "192.0.2.1", b"{}")
    assert refusal is not None
    head, _, body = refusal.whole.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert int(fields["content-length"]) == len(body)
    assert fields["retry-after"] == "1"
    return fields, orjson.loads(body)


def test_pages_that_may_ask_may_read_why_not(door: Door) -> None:
    fields, body = said(door, origin=FRIEND)
    assert fields["access-control-allow-origin"] == FRIEND
    assert fields["access-control-expose-headers"] == EXPOSED_HEADERS
    assert "access-control-allow-credentials" not in fields
    assert body["errors"][0]["extensions"]["retryAfterMs"] == 1_000


@pytest.mark.parametrize("origin", ["https://own.example", "https://evil.example", "null", FRIEND.upper(), f"{FRIEND}\r\nx: y"])
def test_pages_of_other_origins_may_not(door: Door, origin: str) -> None:
    fields, _ = said(door, origin=origin)
    assert "access-control-allow-origin" not in fields
    assert fields["vary"] == "Origin"


@pytest.mark.parametrize("path", ["/m/grant/5/720p.mp4", "/upload/5", "/tus/5"])
def test_what_pages_of_any_origin_may_use_they_may_read(door: Door, path: str) -> None:
    fields, body = said(door, path)
    assert fields["access-control-allow-origin"] == "*"
    assert body["code"] == "OVERLOADED"
    assert "access-control-allow-origin" not in said(door, "/oauth/token")[0]


def test_each_refusal_is_counted_once(door: Door, told: Counter[Priority]) -> None:
    for path in ("/graphql", "/graphql", "/tus", "/m/x/5/y.mp4"):
        said(door, path)
    door.tell()
    door.tell()
    assert told == {Priority.FEED: 2, Priority.WRITE: 1, Priority.PLAYBACK: 1}
