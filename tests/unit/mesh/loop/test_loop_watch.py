"""The instrument that finds what holds an event loop: CPU time of one callback, and nothing that merely waits."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from mesh.loop_watch import HELD, LOOP_BLOCKED, watched
from mesh.telemetry import Telemetry


def burn(ms: float) -> None:
    until = time.thread_time() + ms / 1_000
    while time.thread_time() < until:
        pass


async def hold(ms: float) -> None:
    await asyncio.sleep(0)
    burn(ms)


def run(coroutine: object) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(coroutine)  # type: ignore[arg-type]


def test_a_callback_that_holds_the_loop_is_named_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry(service="test")

    async def life() -> None:
        await asyncio.create_task(hold(60))
        asyncio.get_running_loop().call_soon(burn, 55)
        await asyncio.sleep(0.001)
        await asyncio.create_task(hold(10))

    with caplog.at_level(logging.WARNING, "clipmesh.loop"), watched(telemetry):
        run(life())
    assert [(record.getMessage(), record.method) for record in caplog.records] == [(HELD, "hold"), (HELD, "burn")]  # type: ignore[attr-defined]
    assert telemetry.value(LOOP_BLOCKED) == 3


def test_waiting_holds_nothing_and_afterwards_nothing_is_measured(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry(service="test")

    async def blocked() -> None:
        time.sleep(0.08)

    with caplog.at_level(logging.WARNING, "clipmesh.loop"):
        with watched(telemetry):
            run(blocked())
        run(hold(60))
    assert caplog.records == []
    assert telemetry.value(LOOP_BLOCKED) == 0
