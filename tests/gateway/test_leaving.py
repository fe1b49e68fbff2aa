"""A client that goes away: its queries end with their calls, its mutations finish."""

from __future__ import annotations

import asyncio
import json

from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes
from tests.gateway.world import World, token, until


async def leave(world: World, query: str, *, when: object) -> None:
    """Ask, wait until `when` holds, and hang up without waiting for the answer."""
    host, port = world.origin.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"query": query}).encode()
    head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token()}\r\ncontent-type: application/json\r\n"
    writer.write(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    await until(when)
    writer.close()
    await writer.wait_closed()


async def test_a_query_whose_client_left_stops_asking_services(world: World) -> None:
    world.fakes.fill(2)

    async def never(_: object) -> object:
        return await asyncio.Event().wait()

    world.fakes.answers |= {"BatchGetProfiles": never, "BatchGetSounds": never}
    query = "{ forYou { edges { node { creator { handle } sound { id } } } } }"
    await leave(world, query, when=lambda: world.fakes.requests("BatchGetProfiles") and world.fakes.requests("BatchGetSounds"))
    # Long before the operation's budget would end them.
    await until(lambda: sorted(world.fakes.cancelled) == ["BatchGetProfiles", "BatchGetSounds"], timeout_s=2)


async def test_a_mutation_whose_client_left_is_done_all_the_same(world: World) -> None:
    gate = asyncio.Event()

    async def slow(request: object) -> object:
        await gate.wait()
        return await world.fakes.update_profile(request)

    world.fakes.answers["UpdateProfile"] = slow
    query = 'mutation { updateProfile(input: {bio: "x"}) { userErrors { code } } }'
    await leave(world, query, when=lambda: world.fakes.requests("UpdateProfile"))
    await asyncio.sleep(0.1)
    gate.set()
    await until(lambda: "UpdateProfile" in world.fakes.finished)
    assert world.fakes.cancelled == []


async def test_a_gateway_that_stops_lets_abandoned_mutations_finish(opened: Opening, fakes: Fakes) -> None:
    async def slow(request: object) -> object:
        await asyncio.sleep(0.3)
        return await fakes.update_profile(request)

    fakes.answers["UpdateProfile"] = slow
    async with opened() as world:
        query = 'mutation { updateProfile(input: {bio: "x"}) { userErrors { code } } }'
        await leave(world, query, when=lambda: fakes.requests("UpdateProfile"))
    assert "UpdateProfile" in fakes.finished
    assert fakes.cancelled == []
