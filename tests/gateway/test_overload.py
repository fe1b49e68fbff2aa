"""What clients meet at an edge that has too much to do: a short refusal on a connection that stays, by what they ask."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from gateway.overload import LATE_S, Door
from tests.gateway.world import World

CLIP = '{ video(id: "5") { caption } }'
FEED = "{ forYou { servedBy } }"


@pytest.fixture
async def crowded(world: World) -> World:
    """Room for playback, and for nothing that is less urgent."""
    for query in (CLIP, FEED):
        assert (await world.post(query)).status_code == 200
    world.fakes.calls.clear()
    valve = cast(Door, world.app.peers.door).valve
    valve.ticked = lambda *_, **__: None  # type: ignore[method-assign]
    valve.late_s, valve.running = 2 * LATE_S, 25
    return world


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
    valve = cast(Door, crowded.app.peers.door).valve
    valve.running = 40
    assert (await crowded.post(CLIP)).status_code == 503
    refused = await crowded.http.get("/m/none/5/720p.mp4")
    assert (refused.status_code, refused.json()["code"]) == (503, "OVERLOADED")


async def test_the_connection_stays_and_is_served_as_soon_as_there_is_room(crowded: World) -> None:
    """Bodies in pieces and several requests behind one another, too."""
    host, port = crowded.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"query": FEED}).encode()
    head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    valve = cast(Door, crowded.app.peers.door).valve

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
        writer.write((head + body) * 3)
        assert [await status() for _ in range(3)] == [503, 503, 503]
        valve.late_s = 0.0
        writer.write(head + body)
        assert await status() == 200
        assert valve.running == 25
    finally:
        writer.close()


async def test_a_body_that_does_not_come_is_waited_for_by_the_application(crowded: World) -> None:
    valve = cast(Door, crowded.app.peers.door).valve
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
    valve = cast(Door, crowded.app.peers.door).valve
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
