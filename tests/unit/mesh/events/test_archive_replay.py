"""A consumer takes archived events again, step by step, and what it refuses becomes a dead letter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from clipmesh.video.v1.events_pb2 import MediaFailed

from mesh.errors import InvalidPageToken
from mesh.events.archive import replaying
from mesh.events.archive.archiver import Archiver, ArchiveSettings
from mesh.events.archive.places import ARCHIVE_PREFIX
from mesh.events.archive.reading import ArchiveReader
from mesh.events.archive.replaying import ArchiveReplay, ArchiveUnreadable
from mesh.events.archive.rows import ArchivePosition
from mesh.events.consumers import ConsumerGroup
from mesh.events.dead_letters import DeadLetters
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from tests.unit.mesh.backbone.failures import Failure, Failures


@dataclass
class World:
    """Seven archived failures in two files, the fourth hopeless, and the consumer that never saw them."""

    tables: Tables
    blobs: FileBlobs
    consumer: Failures
    group: ConsumerGroup
    replay: ArchiveReplay
    letters: DeadLetters

    async def through(self, *, from_ms: int = 0) -> list[int]:
        """Replay to the end; the events of each step."""
        counts: list[int] = []
        after = ""
        while True:
            count, after = await self.replay.step(self.group, from_ms=from_ms, after=after)
            counts.append(count)
            if not after:
                return counts


def _threads() -> Executor:
    return ThreadPoolExecutor(1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock, key = FakeClock(), b"k" * 32
    tables = await open_tables(f"sqlite:///{tmp_path}", service="video", row_types=(*EVENT_TABLES, ArchivePosition, Failure), clock=clock)
    blobs = FileBlobs(tmp_path / "blobs", clock=clock, url_key=b"")
    archiver = Archiver(
        tables=tables,
        blobs=blobs,
        key=key,
        topics=("video",),
        service="video",
        member="video-1",
        clock=clock,
        settings=ArchiveSettings(every_ms=1),
        executor=_threads,
    )
    for ids in ((1, 2, 3, 4, 5), (6, 7)):
        for number in ids:
            make = EventMaker(producer="video", next_id=lambda number=number: number, clock=clock)  # type: ignore[misc]
            message = MediaFailed(video_id=number, reason="HOPELESS" if number == 4 else "CORRUPT")
            await tables.put(events=[make.make(message, key=str(number), key_version=1)])
        clock.advance(1)
        assert await archiver.step()
    consumer, letters = Failures(), DeadLetters(tables=tables, clock=clock)
    group = ConsumerGroup(consumer=consumer, service="video", member="m", stream=cast(Any, None), tables=tables, clock=clock)
    replay = ArchiveReplay(reader=ArchiveReader(blobs=blobs, key=key, clock=clock), letters=letters)
    yield World(tables, blobs, consumer, group, replay, letters)
    await tables.close()
    await blobs.close()


async def test_steps_go_through_every_file_and_a_refused_event_becomes_a_dead_letter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "EVENTS_A_STEP", 2)
    assert sum(await world.through()) == 6
    assert sorted(world.consumer.seen) == [1, 2, 3, 4, 5, 6, 7]
    assert [await world.tables.get(Failure, n) is not None for n in range(1, 8)] == [True, True, True, False, True, True, True]
    assert [letter.event_id for letter in (await world.letters.dead_letters("video.failures")).rows] == [4]
    rows = (await world.tables.walk(Failure)).rows
    await world.through()
    assert (await world.tables.walk(Failure)).rows == rows


async def test_a_damaged_file_is_named_as_such(world: World) -> None:
    (first, _) = (await world.blobs.list(ARCHIVE_PREFIX)).blobs
    await world.blobs.put(first.key, b"PAR1 nothing of ours PAR1")
    with pytest.raises(ArchiveUnreadable):
        await world.replay.step(world.group, from_ms=0, after="")
    assert world.consumer.seen == []


async def test_a_step_into_a_file_that_is_gone_begins_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "EVENTS_A_STEP", 2)
    _, after = await world.replay.step(world.group, from_ms=0, after="")
    await world.blobs.delete_prefix(ARCHIVE_PREFIX)
    with pytest.raises(InvalidPageToken):
        await world.replay.step(world.group, from_ms=0, after=after)
    assert await world.through() == [0]
