"""A service whose answers cost CPU time: `python -m tests.long.burning_server SOCKET CPU_MS`; what the overload test loads."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import Any

from mesh.access import Access, Priority
from mesh.app import _loop_factory
from mesh.server import Server
from mesh.testing.rpc import process_for
from tests.contract.rpc.probe import DecideReviewResponse, ListReviewsResponse, Probe, served_by

SLICE_MS = 1.0


async def burn(cpu_ms: float) -> None:
    """Work as a handler does: a little at a time, others in between."""
    done_ms = 0.0
    while done_ms < cpu_ms:
        until = time.thread_time() + SLICE_MS / 1000
        while time.thread_time() < until:
            pass
        done_ms += SLICE_MS
        await asyncio.sleep(0)


async def main(address: str, cpu_ms: float) -> None:
    """Serve until SIGTERM: DecideReview as urgent as playback, ListReviews as feed."""

    async def lists(_: Any) -> Any:
        await burn(cpu_ms)
        return ListReviewsResponse()

    async def decides(_: Any) -> Any:
        await burn(cpu_ms)
        return DecideReviewResponse()

    service = served_by(
        Probe(lists=lists, decides=decides),
        lists=Access(callers={"gateway"}, idempotent=True, priority=Priority.FEED),
        decides=Access(callers={"gateway"}, priority=Priority.PLAYBACK),
    )
    process = process_for("rights")
    server = Server(services=[service], secrets=process.secrets, clock=process.clock, telemetry=process.telemetry)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await server.start(address)
    print("ready", flush=True)
    await stopping.wait()
    await server.stop(drain_wait_ms=0, grace_ms=1_000)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main(sys.argv[1], float(sys.argv[2])))
