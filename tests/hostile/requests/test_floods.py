"""Sockets that are flooded or spoken to out of turn: closed with their code; no service asked, no task and no socket left."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gateway.protocols.sockets import SocketLimits, _Session
from gateway.wire.sockets import FLOOD_CODE
from tests.gateway.world import World, until
from tests.hostile.requests.frames import FLOODS, OPENING, PING, frame
from tests.hostile.requests.raw import connection, heard

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet")]


def closing_code(told: bytes) -> int:
    """The code of the close frame that ends what a server said, 0 without one; servers do not mask."""
    at = 0
    while at + 2 <= len(told):
        opcode, length = told[at] & 0x0F, told[at + 1]
        at += 2
        if length == 126:
            (length,) = struct.unpack_from("!H", told, at)
            at += 2
        if opcode == 8:
            return int(struct.unpack_from("!H", told, at)[0])
        at += length
    return 0


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_closes_its_socket_with_a_code(gate: World, name: str) -> None:
    case = FLOODS[name]
    await until(lambda: gate.app.peers.open == 0)
    gate.fakes.calls.clear()
    async with connection(gate.app.port) as (reader, writer):
        writer.write(OPENING)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        with contextlib.suppress(ConnectionError):
            writer.write(case.sent)
            await writer.drain()
        said = await heard(reader, silence_s=3.0)
    # A connection that is closed over unread bytes is reset, and the reset may overtake the close frame: only who is cut off mid-flood is so unlucky.
    codes = {case.code, 0} if case.code == FLOOD_CODE else {case.code}
    assert closing_code(said.bytes) in codes
    assert said.ended
    assert not gate.fakes.counted
    await until(lambda: gate.app.peers.open == 0 and gate.app.open_connections == 0)


async def test_who_asks_and_reads_nothing_piles_up_no_operations(gate: World) -> None:
    limits = SocketLimits(init_s=1, operations=2, message_bytes=100)
    session = _Session(sockets=SimpleNamespace(limits=limits), socket=None)  # type: ignore[arg-type]
    told = asyncio.Event()
    session.tasks |= {asyncio.create_task(told.wait()) for _ in range(3)}  # type: ignore[arg-type]
    await session._room()
    session.tasks |= {asyncio.create_task(told.wait())}  # type: ignore[arg-type]
    for task in session.tasks:
        task.add_done_callback(session.tasks.discard)
    waiting = asyncio.create_task(session._room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    told.set()
    await waiting


async def test_who_pings_and_reads_nothing_gets_no_pile_of_pongs(gate: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate.app.peers, "limits", replace(gate.app.peers.limits, frames_burst=10**9))
    async with connection(gate.app.port, limit=1024) as (reader, writer):
        writer.write(OPENING)
        await reader.readuntil(b"\r\n\r\n")
        transport = writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        (served,) = gate.app.peers._who
        most, pings = 0, frame(PING, b"x" * 125) * 500
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(10):
                while gate.app.peers.open:
                    writer.write(pings)
                    async with asyncio.timeout(0.5):
                        await writer.drain()
                    most = max(most, served.get_write_buffer_size())
        assert most < 128 * 1024
    await until(lambda: gate.app.peers.open == 0)
