"""A service under three times the load that it can bear: what it can do it does, the urgent first, and soon after it is well again.

Machines are shared: what is done is held against the CPU time that the service was given for it, not against the clock.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.telemetry import Telemetry
from mesh.testing.folders import socket_folder
from mesh.testing.rpc import secrets_for
from tests.contract.rpc.probe import A_DECISION, ListReviewsRequest, Stub
from tests.fixtures.children import child

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

CPU_MS = 5
MOST_PER_S = 1_000 / CPU_MS
"""What one loop could answer if it did nothing else."""
URGENT = 0.2
"""Share of the calls that are as urgent as playback."""
TIMEOUT_S = 0.5


class Caller:
    """One process that asks the service for all that people want of it."""

    def __init__(self, channels: Channels, *, pid: int) -> None:
        self._pid = pid
        self.stub = channels.stub(Stub, "rights")
        self.chance = random.Random(11)
        self.outcomes: Counter[tuple[str, str]] = Counter()

    async def ask(self, kind: str) -> None:
        try:
            if kind == "urgent":
                await self.stub.DecideReview(A_DECISION, timeout=TIMEOUT_S)
            else:
                await self.stub.ListReviews(ListReviewsRequest(), timeout=TIMEOUT_S)
            self.outcomes[kind, "ok"] += 1
        except MeshError as error:
            self.outcomes[kind, error.reason] += 1

    def cpu_s(self) -> float:
        """CPU time that the service has used, in seconds."""
        fields = (Path("/proc") / str(self._pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def at_ease(self, *, seconds: float) -> float:
        """Answers per second of CPU time to four callers that wait for each."""
        before, cpu_s, end = self.outcomes["feed", "ok"], self.cpu_s(), time.monotonic() + seconds

        async def one() -> None:
            while time.monotonic() < end:
                await self.ask("feed")

        await asyncio.gather(*(one() for _ in range(4)))
        return (self.outcomes["feed", "ok"] - before) / (self.cpu_s() - cpu_s)

    async def load(self, *, per_s: float, seconds: float) -> Counter[tuple[str, str]]:
        """Calls at random moments that wait for nothing; what became of them."""
        self.outcomes = Counter()
        at = time.monotonic()
        end = at + seconds
        async with asyncio.TaskGroup() as group:
            while at < end:
                at += self.chance.expovariate(per_s)
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                group.create_task(self.ask("urgent" if self.chance.random() < URGENT else "feed"))
        return self.outcomes


@asynccontextmanager
async def busy_service() -> AsyncIterator[Caller]:
    with socket_folder() as folder:
        address = f"unix:{folder}/busy.sock"
        command = (sys.executable, "-m", "tests.long.burning_server", address, str(CPU_MS))
        async with child(*command, stdout=asyncio.subprocess.PIPE) as process:
            assert process.stdout is not None
            await process.stdout.readline()
            channels = Channels(
                secrets=secrets_for("gateway"), clock=SystemClock(), telemetry=Telemetry(service="gateway"), addresses={"rights": address}
            )
            try:
                yield Caller(channels, pid=process.pid)
            finally:
                await channels.close()


def good(outcomes: Counter[tuple[str, str]]) -> int:
    return sum(count for (_, outcome), count in outcomes.items() if outcome == "ok")


def share(outcomes: Counter[tuple[str, str]], kind: str) -> float:
    return outcomes[kind, "ok"] / sum(count for (of, _), count in outcomes.items() if of == kind)


async def test_three_times_the_load_costs_no_more_than_a_tenth_of_what_is_done() -> None:
    async with busy_service() as caller:
        await caller.at_ease(seconds=1)
        at_ease = await caller.at_ease(seconds=5)
        await caller.load(per_s=3 * MOST_PER_S, seconds=3)
        cpu_s, began_s = caller.cpu_s(), time.monotonic()
        outcomes = await caller.load(per_s=3 * MOST_PER_S, seconds=10)
        cpu_s, took_s = caller.cpu_s() - cpu_s, time.monotonic() - began_s
        done = good(outcomes) / cpu_s
        print(
            f"answers per CPU second: {at_ease:.0f} at ease, {done:.0f} at three times the load ({cpu_s / took_s:.0%} of a processor); "
            f"urgent {share(outcomes, 'urgent'):.0%}, others {share(outcomes, 'feed'):.0%} of what was wanted; {dict(outcomes)}"
        )
        assert done > 0.9 * at_ease
        assert share(outcomes, "urgent") > 1.5 * share(outcomes, "feed")

        await caller.load(per_s=0.1 * MOST_PER_S, seconds=5)
        outcomes = await caller.load(per_s=0.1 * MOST_PER_S, seconds=3)
        assert good(outcomes) > 0.85 * sum(outcomes.values())
