"""What the stream port promises of marks; an engine without them promises only to pay them no heed."""

from __future__ import annotations

import pytest

from mesh.events.stream.port import Mark, StreamMoved
from mesh.testing.stream_readers import StreamEngine, drain, owned_by, records, values


class MarksContract:
    """Marks move with their records, and go with them."""

    partitions = 8

    async def test_records_and_their_mark_go_together_or_not_at_all(self, engine: StreamEngine) -> None:
        stream = engine.open()
        keeps_marks = await stream.marked("m") is not None
        steps = [Mark(name="m", after="", until="1:a"), Mark(name="m", after="1:a", until="2:b")]
        await stream.publish(records(300), mark=steps[0])
        await stream.publish(records(300, first=300), mark=steps[1])
        if keeps_marks:
            assert await stream.marked("m") == "2:b"
            assert await stream.marked("another") == ""
            # The answer to a step was lost: making it again changes nothing.
            await stream.publish(records(300, first=300), mark=steps[1])
            for after in ("", "1:a", "3:c"):
                with pytest.raises(StreamMoved) as moved:
                    await stream.publish(records(5, first=600), mark=Mark(name="m", after=after, until="4:d"))
                assert moved.value.at == "2:b"
            assert await stream.marked("m") == "2:b"
        async with stream.consume(["video"], group="g", member="a") as consumption:
            read = await drain(await owned_by(consumption, self.partitions), acknowledge=True)
        assert sorted(values(read)) == list(range(600))

    async def test_marks_go_with_the_contents(self, engine: StreamEngine) -> None:
        stream = engine.open()
        await stream.publish(records(3), mark=Mark(name="m", after="", until="1:a"))
        await engine.crash()
        kept = await stream.marked("m")
        await engine.lose_contents()
        # A server that dies may forget its last second, the mark with the records.
        assert (kept, await stream.marked("m")) in {("1:a", ""), ("", ""), (None, None)}
