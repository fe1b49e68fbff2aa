"""What an outage may cost: calls by name and in time, never a record that was acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from mesh import deadline
from mesh.events.stream.port import StreamUnavailable
from mesh.testing.stream_readers import StreamEngine, drain, eventually, owned_by, records, running, values


class OutageContract:
    """What an outage may cost: calls by name and in time, never a record that was acknowledged."""

    partitions: int

    async def test_nothing_that_was_published_is_lost_when_the_server_is_killed(self, engine: StreamEngine) -> None:
        stream = engine.open()
        marker = await stream.generation()
        published: list[int] = []
        unsure: set[int] = set()

        async def publish() -> None:
            number = 0
            while True:
                batch = records(5, first=number)
                try:
                    await stream.publish(batch)
                    published.extend(range(number, number + 5))
                except StreamUnavailable:
                    unsure.update(range(number, number + 5))
                number += 5
                await asyncio.sleep(0.001)

        async with running(publish()):
            await eventually(lambda: len(published) > 200)
            await engine.crash()
            count = len(published)
            await eventually(lambda: len(published) > count + 50)
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = set(values(await drain(await owned_by(consumption, self.partitions), acknowledge=True)))
        assert set(published) <= read
        assert read <= set(published) | unsure | set(range(max(published) + 1, max(published) + 6))
        assert await stream.generation() == marker

    async def test_the_generation_tells_that_contents_were_lost(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(20))
        before = await stream.generation()
        assert await engine.open().generation() == before
        async with stream.consume(["video"], group="g", member="a") as consumption:
            await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        await engine.lose_contents()
        assert await stream.generation() != before
        await stream.publish(records(3))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert sorted(values(read)) == [0, 1, 2]

    async def test_a_server_that_is_away_is_told_by_name_and_within_the_deadline(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(1))
        await engine.stop()
        begun_at = asyncio.get_running_loop().time()
        with deadline.scope(0.5):
            for call in (
                lambda: stream.publish(records(1)),
                stream.generation,
                lambda: stream.lag(["video"], group="g"),
                lambda: stream.rewind(["video"], group="g", to_ms=0),
                lambda: anext(stream.tail(["video"])),
            ):
                with pytest.raises(StreamUnavailable):
                    await call()
            await stream.publish_hint("video.progress", "1", 1)
        assert asyncio.get_running_loop().time() - begun_at < 5
