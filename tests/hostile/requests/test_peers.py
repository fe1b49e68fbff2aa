"""Connections that cost more than they ask: too many, too slow, half open, or gone behind a second request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from gateway.metrics import PEERS_CUT
from gateway.settings import GatewaySettings
from gateway.wire.peers import Cut, PeerLimits, Peers
from tests.gateway.fakes import snowflake
from tests.gateway.world import World, until
from tests.hostile.requests.conftest import CONNECTIONS, READER_MS
from tests.hostile.requests.raw import connection, heard, say
from tests.hostile.requests.wires import HIDDEN, RIGHT, head, posted

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet")]

UPLOAD = snowflake("video", 1)
LARGE = 6_000_000
PROGRESS = "subscription($id: ID!) { uploadProgress(uploadId: $id) { stage } }"


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def emptied(gate: World) -> AsyncIterator[None]:
    """Every test begins and ends with no connection."""
    await until(lambda: gate.app.peers.open == 0)
    yield
    await until(lambda: gate.app.peers.open == 0 and gate.app.open_connections == 0)


async def test_one_address_has_so_many_connections_and_gets_them_back(gate: World) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(connection(gate.app.port))
        await until(lambda: gate.app.peers.open == CONNECTIONS)
        said = await say(gate.app.port, [posted()])
        assert (said.statuses, said.code, said.ended) == ([503], "OVERLOADED", True)
    await until(lambda: gate.app.peers.open == 0)
    said = await say(gate.app.port, [posted()], silence_s=0.2)
    assert RIGHT in said.bytes


class _Transport(asyncio.Transport):
    """Counted as a connection; ends when it is aborted."""

    ended = aborted = False

    def is_closing(self) -> bool:
        return self.ended

    def abort(self) -> None:
        self.aborted = True


def _entered(addresses: Sequence[str], **limits: int) -> tuple[Peers, list[str]]:
    peers = Peers(limits=PeerLimits(**limits), shared=lambda address: address.startswith("10."), cut=lambda why: None)
    return peers, [peers.enter(_Transport(), address) for address in addresses]


async def test_places_are_counted_by_network_and_in_all_and_proxies_are_no_clients() -> None:
    same = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1"]
    assert _entered(same, per_address=1)[1] == ["", "address", "", "", "address"]
    assert _entered(["10.0.0.1"] * 4, per_address=1)[1] == [""] * 4
    assert _entered(["10.0.0.1"] * 4, connections=2)[1] == ["", "", "connections", "connections"]


async def test_leaving_twice_frees_one_place() -> None:
    peers, transports = _entered([], per_address=1)[0], [_Transport(), _Transport()]
    assert [peers.enter(one, "192.0.2.1") for one in transports] == ["", "address"]
    for _ in range(2):
        peers.leave(transports[0])
    assert (peers.open, peers.enter(transports[0], "192.0.2.1")) == (1, "address")
    peers.leave(transports[1])
    peers.leave(transports[0])
    assert (peers.open, peers.enter(transports[0], "192.0.2.1")) == (0, "")


async def test_what_was_ended_and_is_not_taken_is_let_go_in_the_end() -> None:
    peers, ended, other = _entered([], reader_ms=500)[0], _Transport(), _Transport()
    for one in (ended, other):
        peers.enter(one, "192.0.2.1")
    ended.ended = True
    for now_s, aborted in ((10.0, False), (10.4, False), (10.5, True)):
        peers.sweep(now_s)
        assert (ended.aborted, other.aborted) == (aborted, False)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
async def test_the_kernel_lets_go_of_hosts_that_acknowledge_nothing(gate: World) -> None:
    listener = gate.app._listener
    assert listener is not None
    (listening,) = listener._server.servers[0].sockets
    assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == READER_MS


@pytest.mark.parametrize("name", ["connections", "connections_per_address", "head_ms", "reader_ms"])
async def test_a_limit_of_nothing_is_refused_at_start(name: str) -> None:
    with pytest.raises(ValueError, match=name.upper()):
        GatewaySettings(secrets="", redis="unix:x", blobs="file:///x", **{name: 0}).check()  # type: ignore[arg-type]


def _large(gate: World) -> bytes:
    """A request whose answer is larger than what both ends buffer."""
    ids = [str(video_id) for video_id in gate.fakes.fill(50)]
    for video in gate.fakes.videos.values():
        video.caption = "x" * (LARGE // 50 // 20)
    query = "query($ids: [ID!]!) { " + " ".join(f"a{number}: videos(ids: $ids) {{ caption }}" for number in range(20)) + " }"
    return posted(body=json.dumps({"query": query, "variables": {"ids": ids}}).encode())


async def test_a_reader_that_takes_nothing_is_cut_off(gate: World) -> None:
    async with connection(gate.app.port, limit=1024) as (_, writer):
        transport = writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        writer.write(_large(gate))
        await until(lambda: gate.app.peers.open == 1)
        await until(lambda: gate.app.peers.open == 0)


async def test_a_reader_that_sips_is_cut_off(gate: World) -> None:
    async with connection(gate.app.port, limit=1024) as (reader, writer):
        taken = 0

        async def sip() -> None:
            nonlocal taken
            while piece := await reader.read(1024):
                taken += len(piece)
                await asyncio.sleep(0.01)

        writer.write(_large(gate))
        sipping = asyncio.create_task(sip())
        await until(lambda: taken > 0)
        await until(lambda: gate.app.peers.open == 0)
        assert taken < LARGE // 2
        sipping.cancel()


async def test_a_reader_that_reads_gets_all(gate: World) -> None:
    said = await say(gate.app.port, [_large(gate)], silence_s=0.6)
    assert (said.statuses, said.ended) == ([200], False)
    assert len(said.bytes) > LARGE


async def test_the_rest_of_a_body_that_nobody_wanted_is_not_waited_for(gate: World) -> None:
    async with connection(gate.app.port) as (reader, writer):
        writer.write(head("Content-Length: 1000000000", line="POST /nowhere HTTP/1.1"))
        dripping = asyncio.create_task(_drip(writer, b"x", 0.05))
        said = await heard(reader, silence_s=3.0)
        dripping.cancel()
    assert (said.statuses, said.ended) == ([404], True)


async def test_of_such_a_rest_so_many_bytes_are_taken(gate: World) -> None:
    async with connection(gate.app.port) as (reader, writer):
        writer.write(head("Content-Length: 1000000000000", line="POST /nowhere HTTP/1.1"))
        await reader.readuntil(b"\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while sent < 2**28:
                    writer.write(b"x" * 2**18)
                    await writer.drain()
                    sent += 2**18
    assert sent < 2**26


async def _drip(writer: asyncio.StreamWriter, piece: bytes, pause_s: float) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)


async def test_a_head_that_drips_is_not_waited_for(gate: World) -> None:
    async with connection(gate.app.port) as (reader, writer):
        writer.write(head()[:-2])
        dripping = asyncio.create_task(_drip(writer, b"X-Drip: x\r\n", 0.05))
        said = await heard(reader, silence_s=3.0)
        dripping.cancel()
    assert (said.statuses, said.code, said.ended) == ([408], "HEAD_TOO_SLOW", True)


async def test_empty_lines_do_not_keep_an_idle_connection_alive(gate: World) -> None:
    async with connection(gate.app.port) as (reader, writer):
        writer.write(posted())
        await reader.readuntil(RIGHT)
        dripping = asyncio.create_task(_drip(writer, b"\r\n", 0.05))
        said = await heard(reader, silence_s=3.0)
        dripping.cancel()
    assert (said.statuses, said.ended) == ([408], True)


async def test_a_form_that_drips_is_not_waited_for(gate: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.oauth.FORM_S", 0.3)
    form = head("Content-Length: 500", line="POST /oauth/token HTTP/1.1", sent_as="Content-Type: application/x-www-form-urlencoded")
    async with connection(gate.app.port) as (reader, writer):
        writer.write(form)
        dripping = asyncio.create_task(_drip(writer, b"x", 0.05))
        said = await heard(reader, silence_s=3.0)
        dripping.cancel()
    assert (said.statuses, said.code, said.ended) == ([408], "REQUEST_TIMEOUT", True)
    assert not gate.fakes.requests("ExchangeCode")


async def test_who_leaves_behind_a_second_request_leaves_no_stream(gate: World) -> None:
    gate.fakes.upload(UPLOAD)
    body = json.dumps({"query": PROGRESS, "variables": {"id": str(UPLOAD)}}).encode()
    async with connection(gate.app.port) as (reader, writer):
        writer.write(posted("Accept: text/event-stream", body=body))
        await reader.readuntil(b"event: next")
        assert gate.app.open_connections == 1
        writer.write(HIDDEN)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(3):
        await until(lambda: gate.app.open_connections == 0)


async def test_garbage_behind_a_stream_is_not_answered_into_it(gate: World) -> None:
    gate.fakes.upload(UPLOAD)
    body = json.dumps({"query": PROGRESS, "variables": {"id": str(UPLOAD)}}).encode()
    async with connection(gate.app.port) as (reader, writer):
        writer.write(posted("Accept: text/event-stream", body=body))
        await reader.readuntil(b"event: next")
        writer.write(b"\x00garbage\r\n\r\n")
        said = await heard(reader, silence_s=3.0)
    assert said.ended
    assert b"HTTP/1.1" not in said.bytes


async def test_requests_sent_at_once_are_answered_one_by_one(gate: World) -> None:
    said = await say(gate.app.port, [head(line="GET /nowhere HTTP/1.1", sent_as="") * 300], silence_s=0.6)
    assert said.statuses == [404] * 300


async def test_who_asks_and_asks_and_waits_for_no_answer_is_cut_off(gate: World) -> None:
    before = gate.app.process.telemetry.value(PEERS_CUT, why=Cut.FLOOD)
    async with connection(gate.app.port) as (_, writer):
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                writer.write(HIDDEN * 20_000)
                await writer.drain()
                await until(lambda: gate.app.peers.open == 0)
        assert gate.app.peers.open == 0
    # Not as a slow reader, which comes later.
    assert gate.app.process.telemetry.value(PEERS_CUT, why=Cut.FLOOD) == before + 1
