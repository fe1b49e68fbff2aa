"""Instances of one service as processes of their own behind one name, to be killed and frozen; and a load on them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.telemetry import Telemetry
from mesh.testing.rpc import secrets_for
from tests.fixtures.children import child

ROOT = Path(__file__).parents[3]

SOURCE = """
    import asyncio, sys
    from mesh.errors import Unavailable
    from mesh.server import Server
    from mesh.testing.rpc import process_for
    from tests.contract.rpc.probe import ListReviewsResponse, DecideReviewResponse, Probe, served_by

    kind, name = sys.argv[1:]

    async def lists(_):
        if kind == "fails":
            raise RuntimeError("broken")
        if kind == "unavailable":
            raise Unavailable
        if kind == "hangs":
            await asyncio.sleep(60)
        return ListReviewsResponse(next_page_token=name)

    async def decides(_):
        await lists(_)
        return DecideReviewResponse()

    async def main() -> None:
        process = process_for("rights")
        probe = Probe(lists=lists, decides=decides)
        server = Server(services=[served_by(probe)], secrets=process.secrets, clock=process.clock, telemetry=process.telemetry)
        print(await server.start("127.0.0.1:0"), flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
"""


@dataclass
class Instance:
    """One process of the service."""

    process: Any
    port: int

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it neither answer nor refuse."""
        self.process.send_signal(signal.SIGSTOP)


@asynccontextmanager
async def instances(*kinds: str) -> AsyncIterator[tuple[Instance, ...]]:
    """One instance of each kind: well, fails, unavailable, hangs."""
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                child(sys.executable, "-c", textwrap.dedent(SOURCE), kind, f"{kind}-{number}", stdout=subprocess.PIPE, cwd=ROOT)
            )
            for number, kind in enumerate(kinds)
        ]
        yield tuple([Instance(process, int(await process.stdout.readline())) for process in started])


def channels_to(*behind: Instance) -> Channels:
    """The outward connections of a gateway that knows all of them by one name."""
    return Channels(
        secrets=secrets_for("gateway"),
        clock=SystemClock(),
        telemetry=Telemetry(service="gateway"),
        addresses={"rights": ",".join(f"127.0.0.1:{instance.port}" for instance in behind)},
    )


@dataclass
class Load:
    """What became of calls that were made at a steady pace, whether or not earlier ones had ended."""

    outcomes: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    late_s: float = 0.0
    """How late the loop itself was at worst: a machine that does not let it run is no fault of a call."""
    calls: list[asyncio.Task[None]] = field(default_factory=list)

    def within(self, budget_s: float) -> bool:
        """Whether no call outlived its budget by more than 50 ms."""
        return self.longest_s < budget_s + 0.05 + self.late_s

    async def one(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Make one call and note how it ended."""
        begun_at = time.perf_counter()
        try:
            await call()
            outcome = "OK"
        except MeshError as error:
            outcome = error.code.name
        self.longest_s = max(self.longest_s, time.perf_counter() - begun_at)
        self.outcomes[outcome] += 1

    async def run(self, call: Callable[[], Awaitable[Any]], *, every_s: float, for_s: float) -> None:
        """Begin calls for a while and wait for all."""
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        number = 0
        while loop.time() - begun_at < for_s:
            self.calls.append(asyncio.create_task(self.one(call)))
            number += 1
            planned_at = max(loop.time(), begun_at + number * every_s)
            await asyncio.sleep(planned_at - loop.time())
            self.late_s = max(self.late_s, loop.time() - planned_at)
        await asyncio.gather(*self.calls)
        self.calls.clear()
