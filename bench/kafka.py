"""Publishing and consuming through our Kafka engine against raw confluent-kafka with the same guarantees, on a broker that CLIPMESH_TEST_KAFKA names."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from bench.outcome import Aim, Outcome, Side, Skipped, ratio
from bench.plan import Plan
from bench.turns import Trial, Turn, in_turns, timed
from mesh.events.stream import StreamSettings, open_stream
from mesh.events.stream.partitions import partition_of
from mesh.events.stream.port import OwnedPartition, Record, Stream
from mesh.stores.redis import open_redis

VARIABLE = "CLIPMESH_TEST_KAFKA"
AIM = Aim(value=1.3)
OURS, OTHER = "our engine", "raw confluent-kafka"
TOPIC = "bench"
PARTITIONS = 8
BATCH = 500
"""Records that are published at once, as the relay does, and acknowledged at once."""
_WITHIN_S = 60.0
_VALUE = bytes(range(256)) * 2
"""About as long as the envelope of an event."""


async def run(plan: Plan) -> Outcome:
    """As many records on both sides, the consumers' from one topic."""
    url = os.environ.get(VARIABLE)
    if not url:
        raise Skipped(
            f"{VARIABLE} names no broker: start one with `clipmesh servers kafka` and give it the URL that it prints as CLIPMESH_EVENTS"
        )
    count = plan.size(20_000, 1_000)
    records = [Record(topic=TOPIC, key=f"key-{n % 997}", value=_VALUE + str(n).encode()) for n in range(count)]
    prefix = f"bench{secrets.token_hex(4)}"
    parts = urlsplit(url)
    place = urlunsplit(parts._replace(query=urlencode({"prefix": prefix, "partitions": PARTITIONS})))
    redis = open_redis("unix:nowhere")
    stream = open_stream(place, redis=redis, settings=StreamSettings(partitions=PARTITIONS))
    raw = _Raw(servers=parts.netloc.rpartition("@")[2], topic=f"{prefix}.{TOPIC}")
    repetitions = plan.size(5, 1)
    try:
        await stream.publish(records)
        publishing = await in_turns(
            "publish",
            {
                OURS: _publishing(stream, records),
                OTHER: timed(lambda: asyncio.to_thread(raw.publish, records), _told(f"{count} acknowledged")),
            },
            repetitions=repetitions,
            warm_ups=plan.size(1, 0),
        )
        consuming = await in_turns(
            "consume",
            {OURS: _Ours(stream, count).turn, OTHER: _raw_consuming(raw, count)},
            repetitions=repetitions,
            warm_ups=plan.size(1, 0),
        )
    finally:
        await stream.close()
        await redis.close()
        await asyncio.to_thread(raw.delete)
    return Outcome(
        figures=[_ratio("publishing", publishing, count), _ratio("consuming and acknowledging", consuming, count)],
        trials=[publishing, consuming],
        sources=[
            f"{count} records of {len(_VALUE)} bytes in calls of {BATCH}, {PARTITIONS} partitions; acks=all and idempotence on both sides"
        ],
        notes=["Joining the group is not in the figures; its own threads are, on both sides."],
    )


def _ratio(name: str, trial: Trial, count: int) -> Any:
    ours, other = (
        Side(name=side, unit="us", samples=tuple(run.wall_s * 1e6 / count for run in trial.runs[side])) for side in (OURS, OTHER)
    )
    return ratio(f"time of {name} a record", ours, other, aim=AIM)


def _told(words: str) -> Callable[[], Awaitable[str]]:
    async def work() -> str:
        return words

    return work


def _publishing(stream: Stream, records: list[Record]) -> Turn:
    async def act() -> None:
        for begin in range(0, len(records), BATCH):
            await stream.publish(records[begin : begin + BATCH])

    return timed(act, _told(f"{len(records)} acknowledged"))


class _Ours:
    """Reads the first records of every partition with a group of its own, as a consumer group does."""

    def __init__(self, stream: Stream, count: int) -> None:
        self._stream = stream
        self._count = count

    async def turn(self) -> Any:
        """One turn; the group is joined before it and left after it."""
        async with AsyncExitStack() as stack:
            consumption = await stack.enter_async_context(self._stream.consume([TOPIC], group=f"g{secrets.token_hex(4)}", member="bench"))
            owned: list[OwnedPartition] = []
            while len(owned) < PARTITIONS:
                owned = list(await consumption.next_assignment())
            values: list[bytes] = []
            enough = asyncio.Event()

            async def read(partition: OwnedPartition) -> None:
                while not enough.is_set():
                    batch = await partition.read(limit=BATCH, wait_ms=100)
                    await partition.acknowledge(batch)
                    values.extend(delivery.value for delivery in batch)
                    if len(values) >= self._count:
                        enough.set()

            async def act() -> None:
                async with asyncio.timeout(_WITHIN_S), asyncio.TaskGroup() as group:
                    for partition in owned:
                        group.create_task(read(partition))

            return await timed(act, _told(f"at least {self._count} records"))()


def _raw_consuming(raw: _Raw, count: int) -> Turn:
    async def turn() -> Any:
        consumer = await asyncio.to_thread(raw.join)
        try:
            return await timed(lambda: asyncio.to_thread(raw.consume, consumer, count), _told(f"at least {count} records"))()
        finally:
            await asyncio.to_thread(consumer.close)

    return turn


class _Raw:
    """The driver alone, in one thread."""

    def __init__(self, *, servers: str, topic: str) -> None:
        self._servers = servers
        self._topic = topic
        self._producer: Any = None

    def publish(self, records: list[Record]) -> None:
        """Batches of which each is awaited, as on our side."""
        from confluent_kafka import Producer  # noqa: PLC0415 (it comes with an extra)

        if self._producer is None:
            self._producer = Producer({"bootstrap.servers": self._servers, "acks": "all", "enable.idempotence": True, "linger.ms": 0})
        producer = self._producer
        for begin in range(0, len(records), BATCH):
            failed: list[Any] = []

            def heard(error: Any, _: Any, failed: list[Any] = failed) -> None:
                if error is not None:
                    failed.append(error)

            for record in records[begin : begin + BATCH]:
                producer.produce(self._topic, record.value, record.key.encode(), partition_of(record.key, PARTITIONS), on_delivery=heard)
            if producer.flush(_WITHIN_S) or failed:
                raise RuntimeError(f"the broker took not everything: {failed[:1]}")

    def join(self) -> Any:
        """A member that has all partitions."""
        from confluent_kafka import Consumer  # noqa: PLC0415 (it comes with an extra)

        consumer = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": f"raw{secrets.token_hex(4)}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
            }
        )
        consumer.subscribe([self._topic])
        while len(consumer.assignment()) < PARTITIONS:
            consumer.poll(0.05)
            consumer.pause(consumer.assignment())
        return consumer

    def consume(self, consumer: Any, count: int) -> None:
        """Batches that are committed before the next."""
        consumer.resume(consumer.assignment())
        values: list[bytes] = []
        while len(values) < count:
            if messages := consumer.consume(BATCH, 0.1):
                values.extend(message.value() for message in messages)
                consumer.commit(asynchronous=False)

    def delete(self) -> None:
        """Remove what the bench made."""
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415 (it comes with an extra)

        client = AdminClient({"bootstrap.servers": self._servers})
        prefix = self._topic.partition(".")[0]
        names = [name for name in client.list_topics(timeout=_WITHIN_S).topics if name.startswith(f"{prefix}.")]
        for answer in client.delete_topics(names).values():
            answer.result(_WITHIN_S)
