"""Bytes that are no honest HTTP: answered by name in bounded time; no service asked, no connection left."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway.world import World, until
from tests.hostile.requests.raw import say
from tests.hostile.requests.wires import WIRES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet")]

ANSWER_S = 8.0


@pytest.mark.parametrize("name", WIRES)
async def test_dishonest_bytes_get_their_answer_and_leave_nothing(gate: World, name: str) -> None:
    case = WIRES[name]
    await until(lambda: gate.app.peers.open == 0)
    gate.fakes.calls.clear()
    async with asyncio.timeout(ANSWER_S):
        said = await say(gate.app.port, [case.sent], silence_s=5.0 if case.ended else 0.25, finish=case.finish)
    assert (tuple(said.statuses), said.code, said.ended) == (case.statuses, case.code, case.ended), said.bytes[:600]
    assert case.holds in said.bytes.rpartition(b"\r\n\r\n")[2]
    assert not gate.fakes.counted
    await until(lambda: gate.app.peers.open == 0)
    # What the application still does after the connection is gone is done before the next request comes.
    await asyncio.sleep(0.02)
