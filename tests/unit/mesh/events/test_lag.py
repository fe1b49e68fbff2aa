"""The lag of a consumer group stands in the metrics while the stream tells it, and is absent while it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import generate_latest

from mesh import deadline
from mesh.events.lag import ASK_S, LagWatch
from mesh.events.stream.port import Lag, Record, Stream, StreamUnavailable
from mesh.telemetry import Telemetry

GROUP, TOPICS = "feed.videos", ("video", "social")


class Told:
    """A stream of which only the lag matters."""

    def __init__(self) -> None:
        self.lags: list[Lag] = []
        self.failure: Exception | None = None
        self.remaining_s: list[float] = []

    async def lag(self, topics: Sequence[str], *, group: str) -> Sequence[Lag]:
        self.remaining_s.append(deadline.remaining_s(60.0))
        if self.failure is not None:
            raise self.failure
        assert (tuple(topics), group) == (TOPICS, GROUP)
        return self.lags


def lines(telemetry: Telemetry) -> set[str]:
    """What a scraper sees of the lag."""
    page = generate_latest(telemetry.metrics.registry).decode().splitlines()
    return {line for line in page if line.startswith("clipmesh_consumer_lag")}


def watch_of(stream: object, telemetry: Telemetry) -> LagWatch:
    return LagWatch(group=GROUP, topics=TOPICS, stream=stream, telemetry=telemetry)  # type: ignore[arg-type]


def line(metric: str, topic: str, value: float) -> str:
    return f'clipmesh_consumer_lag_{metric}{{group="{GROUP}",service="feed",topic="{topic}"}} {value}'


async def test_each_topic_tells_its_records_and_the_age_of_the_oldest() -> None:
    stream, telemetry = Told(), Telemetry(service="feed")
    stream.lags = [Lag("video", 0, 3, 1_500), Lag("video", 1, 4, 62_000), Lag("social", 0, 0, 0)]
    await watch_of(stream, telemetry).look()
    assert lines(telemetry) == {
        line("records", "video", 7.0),
        line("seconds", "video", 62.0),
        line("records", "social", 0.0),
        line("seconds", "social", 0.0),
    }
    assert 0 < stream.remaining_s[0] <= ASK_S


@pytest.mark.parametrize("failure", [StreamUnavailable("away"), RuntimeError("a bug of an engine")])
async def test_while_nobody_knows_nothing_is_shown_and_it_comes_back_by_itself(failure: Exception) -> None:
    stream, telemetry = Told(), Telemetry(service="feed")
    watch = watch_of(stream, telemetry)
    stream.failure = failure
    await watch.look()
    assert lines(telemetry) == set()
    stream.failure, stream.lags = None, [Lag("video", 0, 3, 0)]
    await watch.look()
    assert line("records", "video", 3.0) in lines(telemetry)
    stream.failure = failure
    await watch.look()
    await watch.look()
    assert lines(telemetry) == set()
    stream.failure = None
    await watch.look()
    assert line("records", "video", 3.0) in lines(telemetry)


async def test_a_real_stream_is_counted_without_anybody_reading(stream: Stream) -> None:
    telemetry = Telemetry(service="feed")
    await stream.publish([Record(topic="video", key=str(number), value=b"x") for number in range(5)])
    watch = watch_of(stream, telemetry)
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        while line("records", "video", 5.0) not in lines(telemetry):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert line("records", "social", 0.0) in lines(telemetry)
