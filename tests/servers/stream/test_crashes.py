"""Kafka killed and started again under load: what was acknowledged is delivered, each key in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from mesh.events.stream.port import Delivery, Record, Stream, StreamUnavailable
from mesh.testing.stream_readers import Reader, first_sights, running
from tests.servers.stream.conftest import KafkaEngine

KEYS = 12
PATIENCE_S = 120.0
BATCH = 10


@dataclass
class Model:
    """What the stream said that it has."""

    acknowledged: set[int] = field(default_factory=set)
    next_number: int = 0

    async def publish(self, stream: Stream, random: Random) -> None:
        """As a relay does: the same records until they are in the stream, then the next."""
        while True:
            numbers = range(self.next_number, self.next_number + random.randint(1, BATCH))
            records = [Record(topic="video", key=f"key-{n % KEYS}", value=str(n).encode()) for n in numbers]
            while True:
                try:
                    await stream.publish(records)
                except StreamUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    break
            self.acknowledged |= set(numbers)
            self.next_number = numbers[-1] + 1
            await asyncio.sleep(random.random() * 0.01)


async def keep_reading(reader: Reader, stream: Stream, member: str) -> None:
    """As a consumer group does: an outage is waited out."""
    while True:
        try:
            await reader.run(stream, ["video"], group="g", member=member)
        except* StreamUnavailable:
            await asyncio.sleep(0.1)


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds; a broker that starts again on a busy machine takes its time."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.05)


async def survive(engine: KafkaEngine, *, seed: int, kills: int) -> None:
    """Publish and consume while the broker dies several times; then look at every record that was acknowledged."""
    random = Random(seed)
    model, log = Model(), list[Delivery]()
    publisher = engine.open()
    readers = [Reader(log=log, limit=random.randint(1, 20)) for _ in range(2)]
    reading = [keep_reading(reader, engine.open(), f"m{n}") for n, reader in enumerate(readers)]
    async with running(*reading):
        async with running(model.publish(publisher, random)):
            for _ in range(kills):
                published, read = len(model.acknowledged) + 50, len(log) + 20
                await until(lambda: len(model.acknowledged) > published and len(log) > read)  # noqa: B023 - it holds now
                await asyncio.sleep(random.uniform(0, 2))
                await engine.crash()
            published = len(model.acknowledged) + 50
            await until(lambda: len(model.acknowledged) > published)
        await until(lambda: model.acknowledged <= {int(delivery.value) for delivery in log})
        async with asyncio.timeout(PATIENCE_S):
            while any(entry.records for entry in await publisher.lag(["video"], group="g")):
                await asyncio.sleep(0.1)
    seen = first_sights(log)
    assert {key: sorted(numbers) for key, numbers in seen.items()} == dict(seen)
    assert len(model.acknowledged) > 50 * kills


@pytest.mark.timeout(500)
async def test_a_kill_loses_nothing_that_was_acknowledged(engine: KafkaEngine) -> None:
    await survive(engine, seed=1, kills=2)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 22))
async def test_many_kills_lose_nothing_that_was_acknowledged(engine: KafkaEngine, seed: int) -> None:
    await survive(engine, seed=seed, kills=3)
