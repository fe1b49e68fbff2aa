"""People who ask one gateway, at ease or in a crush, and what becomes of their requests."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.page_world import video_ids
from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import start_redis
from tests.fixtures.children import child

FEED, URGENT, SIGN_IN = "feed", "urgent", "sign-in"
IDS = [str(one) for one in video_ids()]
FIELDS = "{ id caption hashtags durationMs width height creator { id handle } }"
BODIES = {
    FEED: {"query": f"query($ids: [ID!]!) {{ videos(ids: $ids) {FIELDS} }}", "variables": {"ids": IDS}},
    # About as much work, but each a clip that somebody wants to play.
    URGENT: {"query": "{" + " ".join(f'v{one}: video(id: "{one}") {FIELDS}' for one in IDS[:15]) + "}"},
}
FORM = "grant_type=refresh_token&client_id=clipmesh-web&refresh_token=" + "r" * 43
"""What somebody sends whose sign-in is renewed."""
KINDS = (FEED, URGENT, SIGN_IN)
SHARES = {FEED: 0.8, URGENT: 0.1, SIGN_IN: 0.1}
PATIENCE_S = 2.0
MOST_CONNECTIONS = 300
NO_LINE, LATE = -1, -2
"""What becomes of a request that finds every connection taken, and of one whose answer comes too late."""
PEOPLE = 400
AT_ONCE = 12
"""People at ease: enough to keep the gateway busy, too few to hurry it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What came of some seconds."""

    outcomes: Counter[tuple[str, int]]
    seconds: float
    cpu_s: float
    """CPU time that the gateway used."""
    slowness: float
    """How long a piece of work that never changes took it meanwhile, in microseconds of CPU."""

    def good(self, kind: str) -> int:
        """Requests that were served."""
        return self.outcomes[kind, 200]

    def share(self, kind: str) -> float:
        """Of those that were wanted."""
        return self.good(kind) / max(1, sum(count for (of, _), count in self.outcomes.items() if of == kind))

    @property
    def work(self) -> float:
        """CPU time in pieces of that work, so that phases compare whatever else the machine does."""
        return self.cpu_s * 1_000_000 / self.slowness


class _Connection(asyncio.Protocol):
    """One keep-alive connection that asks one thing at a time."""

    def __init__(self) -> None:
        self._read = b""
        self._answered: Callable[[int], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, message: bytes, answered: Callable[[int], None]) -> None:
        """Call `answered` with the status of the answer."""
        self._answered = answered
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            self._read = b""
            self._settle(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(0)

    def _settle(self, status: int) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status)


class Crowd:
    """People who ask one gateway."""

    def __init__(self, *, port: int, pid: int, speed: asyncio.StreamReader) -> None:
        self._port = port
        self._pid = pid
        self._speed = speed
        self._slowness: list[float] = []
        self._idle: deque[_Connection] = deque()
        self._unanswered = 0
        self.chance = random.Random(11)
        self.outcomes: Counter[tuple[str, int]] = Counter()
        self._messages = {kind: [self._message(kind, person) for person in range(PEOPLE)] for kind in KINDS}

    async def come(self) -> None:
        """Connect, so that nobody has to while it is crowded; again where nobody asked for half a minute."""
        loop = asyncio.get_running_loop()
        self._idle = deque(one for one in self._idle if not one.transport.is_closing())
        while len(self._idle) < MOST_CONNECTIONS:
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
            self._idle.append(connection)

    async def listen(self) -> None:
        """Hear how fast the machine is for the gateway, for ever."""
        while line := await self._speed.readline():
            self._slowness.append(float(line))

    async def at_ease(self, *, seconds: float, shares: Mapping[str, float] = SHARES) -> Phase:
        """A few people who wait for each answer; everything is served."""

        async def asking() -> None:
            end_s = time.monotonic() + seconds
            answered = asyncio.Event()
            while time.monotonic() < end_s:
                answered.clear()
                self._ask(self._kind(shares), answered.set)
                await answered.wait()

        async def all_asking() -> None:
            await asyncio.gather(*(asking() for _ in range(AT_ONCE)))

        phase = await self._measured(all_asking)
        assert not any(status != 200 for _, status in phase.outcomes), phase.outcomes
        return phase

    async def load(self, *, per_s: float, seconds: float) -> Phase:
        """Requests at random moments that wait for nothing."""

        async def coming() -> None:
            at = time.monotonic()
            end = at + seconds
            while at < end:
                while at <= time.monotonic():
                    self._ask(self._kind(SHARES))
                    at += self.chance.expovariate(per_s)
                await asyncio.sleep(max(0.001, at - time.monotonic()))
            async with asyncio.timeout(PATIENCE_S + 10):
                while self._unanswered:
                    await asyncio.sleep(0.01)

        return await self._measured(coming)

    def _kind(self, shares: Mapping[str, float]) -> str:
        return self.chance.choices([*shares], [*shares.values()])[0]

    def _ask(self, kind: str, then: Callable[[], None] = lambda: None) -> None:
        while self._idle and self._idle[-1].transport.is_closing():
            # Nobody used it for half a minute.
            self._idle.pop()
        if not self._idle:
            self.outcomes[kind, NO_LINE] += 1
            then()
            return
        connection, began_s = self._idle.pop(), time.monotonic()
        self._unanswered += 1

        def answered(status: int) -> None:
            self._unanswered -= 1
            self.outcomes[kind, status if time.monotonic() - began_s < PATIENCE_S else LATE] += 1
            self._idle.append(connection)
            then()

        connection.ask(self.chance.choice(self._messages[kind]), answered)

    def _message(self, kind: str, person: int) -> bytes:
        path, media, text = (
            ("/oauth/token", "application/x-www-form-urlencoded", FORM)
            if kind == SIGN_IN
            else ("/graphql", "application/json", json.dumps(BODIES[kind]))
        )
        body = text.encode()
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\ncontent-type: {media}\r\naccept: application/json\r\n"
        return f"{head}cookie: clipmesh_session=person{person}.unsigned\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def _measured(self, ask: Callable[[], Awaitable[None]]) -> Phase:
        await self.come()
        self.outcomes = Counter()
        self._slowness.clear()
        cpu_s, began_s = self._cpu_s(), time.monotonic()
        await ask()
        return Phase(
            outcomes=self.outcomes,
            seconds=time.monotonic() - began_s,
            cpu_s=self._cpu_s() - cpu_s,
            slowness=statistics.median(self._slowness),
        )

    def _cpu_s(self) -> float:
        """Of all its threads, to the nanosecond: the process's own count has ticks of ten milliseconds."""
        threads = (Path("/proc") / str(self._pid) / "task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def together(phases: Sequence[Phase]) -> Phase:
    """Several phases as one."""
    return Phase(
        outcomes=sum((phase.outcomes for phase in phases), Counter()),
        seconds=sum(phase.seconds for phase in phases),
        cpu_s=sum(phase.cpu_s for phase in phases),
        slowness=statistics.mean(phase.slowness for phase in phases),
    )


def work_of_answers(phase: Phase, work: Mapping[str, float]) -> float:
    """What the answers of a phase would have taken at ease, with the work of each kind."""
    return sum(phase.good(kind) * of_one for kind, of_one in work.items())


@asynccontextmanager
async def busy_gateway() -> AsyncIterator[Crowd]:
    """A gateway over services in another process, and the crowd before it."""
    with socket_folder() as folder:
        redis = await start_redis(folder)
        pipes = {"stdout": asyncio.subprocess.PIPE, "stdin": asyncio.subprocess.PIPE}
        try:
            async with child(sys.executable, "-m", "bench.page_peer", **pipes) as services:
                assert services.stdout is not None
                served = json.loads(await services.stdout.readline())
                addresses = {**dict.fromkeys(("feed", "sound", "rights"), served["video"]), **served}
                command = (sys.executable, "-m", "tests.long.gateway_alone", redis.url, str(folder), json.dumps(addresses))
                async with child(*command, stdout=asyncio.subprocess.PIPE) as process:
                    assert process.stdout is not None
                    crowd = Crowd(port=int(await process.stdout.readline()), pid=process.pid, speed=process.stdout)
                    listening = asyncio.create_task(crowd.listen())
                    try:
                        yield crowd
                    finally:
                        listening.cancel()
        finally:
            await redis.stop()
