"""What publishing promises: order as given, contents as they were."""

from __future__ import annotations

import asyncio

from mesh.events.stream.port import Record
from mesh.testing.stream_readers import StreamEngine, drain, owned_by, records, values


class PublishingContract:
    """What publishing promises: order as given, contents as they were."""

    partitions: int

    async def test_records_of_one_call_stand_in_its_order(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(1_500, keys=1))
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert values(read) == list(range(1_500))

    async def test_records_of_several_topics_go_in_one_call(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish([*records(5, topic="video"), *records(5, topic="social", first=5), *records(5, topic="video", first=10)])
        async with stream.consume(["video", "social"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, 2 * self.partitions), acknowledge=True)
        assert sorted(values([d for d in read if d.topic == "video"])) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
        assert sorted(values([d for d in read if d.topic == "social"])) == [5, 6, 7, 8, 9]

    async def test_keys_and_values_come_back_as_they_went(self, engine: StreamEngine) -> None:
        stream = engine.open()
        sent = [
            Record(topic="video", key=key, value=value) for key, value in (("é", b""), ("a b:c", bytes(range(256))), ("1", b"\n" * 40_000))
        ]
        await stream.publish(sent)
        await stream.publish([])
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert {delivery.key: delivery.value for delivery in read} == {record.key: record.value for record in sent}

    async def test_publishers_at_the_same_time_do_not_mix_up_their_own_order(self, engine: StreamEngine) -> None:
        publishers = [engine.open() for _ in range(3)]

        async def publish(number: int) -> None:
            for begin in range(0, 200, 20):
                await publishers[number].publish(
                    [Record(topic="video", key="one", value=str(1_000 * number + n).encode()) for n in range(begin, begin + 20)]
                )

        await asyncio.gather(*map(publish, range(3)))
        async with publishers[0].consume(["video"], group="g", member="a") as consumption:
            read = values(await drain(await owned_by(consumption, self.partitions), acknowledge=True))
        for number in range(3):
            assert [value - 1_000 * number for value in read if value // 1_000 == number] == list(range(200))
