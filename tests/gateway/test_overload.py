"""What clients meet at an edge that has too much to do: a short refusal on a connection that stays, by what they ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import cast

import pytest

from gateway.metrics import TURNED_AWAY
from gateway.overload.door import Door
from gateway.wire import http as wire
from mesh.levels import SHARES
from tests.gateway.conftest import Opening
from tests.gateway.world import World, until
from tests.hostile.requests.raw import connection, heard, say
from tests.unit.gateway.test_whole import ODD

CLIP = '{ video(id: "5") { caption } }'
FEED = "{ forYou { servedBy } }"


FRIEND = "https://friend.example"


def door_of(world: World) -> Door:
    return cast(Door, world.app.peers.door)


async def crowd(world: World) -> None:
    """Let there be room for playback, and for nothing that is less urgent."""
    for query in (CLIP, FEED):
        assert (await world.post(query)).status_code == 200
    world.fakes.calls.clear()
    valve = door_of(world).valve
    valve.ticked = lambda *_, **__: None  # type: ignore[method-assign]
    valve.open, valve.running, valve._cut = False, 25, SHARES


@pytest.fixture
async def crowded(world: World) -> World:
    await crowd(world)
    return world


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pieces that reach the parser."""
    pieces: list[bytes] = []
    ordinary = wire.HttpToolsProtocol.data_received

    def data_received(self: wire.HttpToolsProtocol, data: bytes) -> None:
        pieces.append(data)
        ordinary(self, data)

    monkeypatch.setattr(wire.HttpToolsProtocol, "data_received", data_received)
    return pieces


def protocol_of(world: World, writer: asyncio.StreamWriter) -> wire.GuardedHTTP:
    """The server's end of a connection."""
    assert world.app._listener is not None
    of_all = cast(Iterable[wire.GuardedHTTP], world.app._listener._server.server_state.connections)
    return next(one for one in of_all if one.client == writer.get_extra_info("sockname"))


def asked(query: str, *fields: str, line: str = "POST /graphql HTTP/1.1") -> bytes:
    body = json.dumps({"query": query}).encode()
    head = "\r\n".join((line, "host: a", "content-type: application/json", *fields, f"content-length: {len(body)}", "", ""))
    return head.encode() + body


async def test_what_is_not_urgent_is_turned_away_before_anything_is_spent_on_it(crowded: World) -> None:
    answer = await crowded.post(FEED)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE", "reason": "RESOURCE_EXHAUSTED", "retryAfterMs": 1_000}
    assert not crowded.fakes.counted
    assert "x-request-id" not in answer.headers


async def test_playback_finds_the_last_places_and_so_do_other_routes(crowded: World) -> None:
    assert (await crowded.post(CLIP)).status_code == 200
    assert (await crowded.http.get("/healthz")).status_code == 200
    assert (await crowded.http.get("/m/none/5/720p.mp4")).status_code in {403, 404}
    assert (await crowded.post("{ unknown }")).status_code == 503
    valve = door_of(crowded).valve
    valve.running = 80
    assert (await crowded.post(CLIP)).status_code == 503
    refused = await crowded.http.get("/m/none/5/720p.mp4")
    assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")


async def test_the_connection_stays_and_is_served_as_soon_as_there_is_room(crowded: World) -> None:
    """Bodies in pieces and several requests behind one another, too."""
    host, port = crowded.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"query": FEED}).encode()
    head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    valve = door_of(crowded).valve

    async def status() -> int:
        async with asyncio.timeout(5):
            answered = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answered.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
        return int(answered[9:12])

    try:
        writer.write(head + body[:10])
        await asyncio.sleep(0.05)
        writer.write(body[10:])
        assert await status() == 503
        writer.write(head + body)
        assert await status() == 503
        writer.write((head + body) * 3)
        assert [await status() for _ in range(3)] == [503, 503, 503]
        valve.open = True
        writer.write(head + body)
        assert await status() == 200
        assert valve.running == 25
    finally:
        writer.close()


async def test_a_body_that_does_not_come_is_waited_for_by_the_application(crowded: World) -> None:
    valve = door_of(crowded).valve
    host, port = crowded.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n".encode())
        async with asyncio.timeout(5):
            # What it would ask is not known after a second: it counts as feed.
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        assert valve.running == 25
    finally:
        writer.close()


async def test_who_leaves_while_the_edge_waits_for_the_body_leaves_nothing_behind(crowded: World) -> None:
    valve = door_of(crowded).valve
    host, port = crowded.origin.removeprefix("http://").split(":")
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{".encode())
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
    assert (await crowded.post(CLIP)).status_code == 200
    assert valve.running == 25


async def test_a_plain_request_is_turned_away_before_it_is_parsed(crowded: World, parsed: list[bytes]) -> None:
    async with connection(crowded.app.port) as (reader, writer):
        for _ in range(3):
            writer.write(asked(FEED))
            said = await heard(reader, silence_s=0.1)
            assert (said.statuses, said.code, said.ended) == ([503], "UNAVAILABLE", False)
            assert b"connection: close" not in said.bytes
        assert parsed == []
        # The same connection, and the urgent, are served.
        writer.write(asked(CLIP))
        said = await heard(reader, silence_s=0.3)
        assert said.statuses == [200]
        assert parsed == [asked(CLIP)]
    assert not any(call.method == "GetForYou" for call in crowded.fakes.calls)
    door = door_of(crowded)
    door.tell()
    assert crowded.app.process.telemetry.value(TURNED_AWAY, priority="feed") == 3
    assert crowded.app.process.telemetry.value(TURNED_AWAY, priority="playback") == 0
    assert door.valve.running == 25


async def test_both_ways_say_the_same(crowded: World) -> None:
    fields = ("accept: application/graphql-response+json", f"origin: {FRIEND}")
    at_once = await say(crowded.app.port, [asked(FEED, *fields)], silence_s=0.2)
    parsed = await say(crowded.app.port, [asked(FEED, *fields, "te: x")], silence_s=0.2)
    assert at_once.statuses == [503]
    assert at_once.bytes == parsed.bytes


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("two lengths", "MALFORMED"),
        ("a length and an encoding", "MALFORMED"),
        ("an encoding that sounds like one", "MALFORMED"),
        ("a field that is folded", "MALFORMED"),
        ("a NUL in a value", "MALFORMED"),
        ("line feeds alone", "MALFORMED"),
        ("a lone carriage return", "MALFORMED"),
        ("two hosts", "AMBIGUOUS_REQUEST"),
        ("no host", "AMBIGUOUS_REQUEST"),
        ("an underscore", "AMBIGUOUS_REQUEST"),
        ("a whole address", "AMBIGUOUS_REQUEST"),
    ],
)
async def test_what_is_odd_is_named_as_at_any_time(crowded: World, parsed: list[bytes], name: str, code: str) -> None:
    sent = ODD[name].replace(b"http://a/", b"http://b/")
    said = await say(crowded.app.port, [sent], silence_s=2.0)
    assert (said.statuses, said.code, said.ended) == ([400], code, True)
    assert b"".join(parsed) == sent
    assert not crowded.fakes.counted


async def test_a_connection_that_is_to_end_ends(crowded: World) -> None:
    for sent in (asked(FEED, "connection: close"), asked(FEED, line="POST /graphql HTTP/1.0")):
        said = await say(crowded.app.port, [sent], silence_s=2.0)
        assert (said.statuses, said.ended) == ([503], True)
        assert b"\r\nconnection: close\r\n" in said.bytes


async def test_a_page_of_a_configured_origin_may_ask_and_may_read_when_to_come_again(opened: Opening) -> None:
    async with opened(cors_origins=(FRIEND,)) as world:
        await crowd(world)
        preflight = await world.http.options("/graphql", headers={"origin": FRIEND, "access-control-request-method": "POST"})
        assert preflight.status_code == 204
        answer = await world.post(FEED, headers={"origin": FRIEND})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (503, FRIEND)
        assert "retry-after" in answer.headers["access-control-expose-headers"]
        answer = await world.post(FEED, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"


async def test_many_that_wait_behind_one_another_are_all_turned_away(crowded: World) -> None:
    async with connection(crowded.app.port) as (reader, writer):
        writer.write(asked(CLIP) + asked(FEED) * 400)
        said = await heard(reader, silence_s=1.0)
    assert said.statuses == [200] + [503] * 400
    assert door_of(crowded).valve.running == 25


async def test_who_asks_and_does_not_read_is_read_no_further(crowded: World) -> None:
    async with connection(crowded.app.port, limit=1024) as (_, writer):
        cast(asyncio.ReadTransport, writer.transport).pause_reading()
        one = asked(FEED)
        for _ in range(100):
            writer.write(one * 200)
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)
        # 20,000 refusals would be 8 MB: what the kernel does not take stays unasked.
        transport = protocol_of(crowded, writer).transport
        assert transport.get_write_buffer_size() < 1_000_000
        assert not transport.is_closing()


async def test_a_connection_that_only_hears_refusals_is_kept_as_long_as_any(crowded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connection(crowded.app.port) as (reader, writer):
        writer.write(asked(FEED))
        await heard(reader, silence_s=0.05)
        protocol = protocol_of(crowded, writer)
        timer = protocol.timeout_keep_alive_task
        assert timer is not None
        # Its time is over, but it asked a moment ago.
        protocol.timeout_keep_alive_handler()
        assert not protocol.transport.is_closing()
        assert protocol.timeout_keep_alive_task is not timer
        protocol._refused_at_s -= protocol.timeout_keep_alive + 1
        protocol.timeout_keep_alive_handler()
        assert protocol.transport.is_closing()
        await until(lambda: crowded.app.peers.open <= 1)


async def test_a_body_that_looks_like_a_request_is_a_body(crowded: World) -> None:
    body = asked(FEED)
    head = f"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    said = await say(crowded.app.port, [head, body, asked(FEED)], pause_s=0.1, silence_s=1.5)
    assert said.statuses == [503, 503]
    assert not crowded.fakes.counted
