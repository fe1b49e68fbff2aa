"""What a tail promises: what is kept from a moment on, then what comes; hints are read by tails."""

from __future__ import annotations

import asyncio

from clipmesh.common.v1.envelope_pb2 import ChangeHint

from mesh.events.stream.port import Delivery
from mesh.testing.stream_readers import PATIENCE_S, StreamEngine, eventually, records, running, values


class TailingContract:
    """What a tail promises: what is kept from a moment on, then what comes; hints are read by tails."""

    async def test_a_tail_starts_in_the_past_and_goes_on(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(5))
        tail = stream.tail(["video"], since_ms=60_000)
        async with asyncio.timeout(PATIENCE_S):
            past = [await anext(tail) for _ in range(5)]
            waiting = asyncio.ensure_future(anext(tail))
            await asyncio.sleep(0.05)
            await engine.open().publish(records(1, first=5))
            news = await waiting
        assert sorted(values(past)) == [0, 1, 2, 3, 4]
        assert values([news]) == [5]

    async def test_a_tail_without_past_gives_only_what_comes(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(5))
        seen: list[Delivery] = []

        async def tail() -> None:
            async for delivery in stream.tail(["video"]):
                seen.append(delivery)

        async with running(tail()):
            number = 5
            async with asyncio.timeout(PATIENCE_S):
                while not seen:
                    await stream.publish(records(1, first=number))
                    number += 1
                    await asyncio.sleep(0.02)
            await stream.publish(records(1, first=1_000))
            await eventually(lambda: 1_000 in values(seen))
        assert min(values(seen)) >= 5

    async def test_a_hint_reaches_every_tail(self, engine: StreamEngine) -> None:
        publisher = engine.open()
        await publisher.publish_hint("video.progress", "42", 7)
        for _ in range(2):
            async with asyncio.timeout(PATIENCE_S):
                delivery = await anext(engine.open().tail(["video.progress"], since_ms=60_000))
            assert delivery.key == "42"
            assert ChangeHint.FromString(delivery.value) == ChangeHint(topic="video.progress", key="42", version=7)
