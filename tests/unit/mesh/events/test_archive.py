"""Every event ends in the archive, can be read there without a person being named, and comes again from there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from clipmesh.feed.v1.events_pb2 import WatchRecorded
from clipmesh.social.v1.profile_service_pb2 import Profile
from clipmesh.video.v1.events_pb2 import MediaFailed, UploadCompleted
from google.protobuf.message import Message

from mesh.events.archive.archiver import Archiver, ArchiveSettings
from mesh.events.archive.parquet import COLUMNS, ArchiveDamaged, decode, encode
from mesh.events.archive.places import ARCHIVE_PREFIX, Place
from mesh.events.archive.plain import Pseudonyms
from mesh.events.archive.reading import ArchiveReader
from mesh.events.archive.retention import Retention
from mesh.events.archive.rows import ArchivePosition
from mesh.events.cleaning import CleaningSettings, OutboxCleaner
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES, RelayPosition
from mesh.sealing import derive
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import BlobInfo, BlobsUnavailable
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock

KEY = b"archive-key-of-the-tests-32bytes"
HOUR_MS = 3_600_000
SETTINGS = ArchiveSettings(every_ms=600_000, batch=100)


class LyingBlobs:
    """A store that loses its nerve: puts fail while `away`, and what is written while `cutting` is not what was given."""

    def __init__(self, engine: FileBlobs) -> None:
        self._engine = engine
        self.away = False
        self.cutting = False

    async def put(self, key: str, content: bytes, *, content_type: str) -> BlobInfo:
        if self.away:
            raise BlobsUnavailable("away")
        return await self._engine.put(key, content[:-20] if self.cutting else content, content_type=content_type)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@dataclass
class World:
    """A service's tables and the store of its archive."""

    tables: Tables
    blobs: LyingBlobs
    clock: FakeClock
    made: int = 0

    def archiver(self, *, member: str = "video-1", settings: ArchiveSettings = SETTINGS) -> Archiver:
        return Archiver(
            tables=self.tables,
            blobs=self.blobs,  # type: ignore[arg-type]
            key=KEY,
            topics=("video",),
            service="video",
            member=member,
            clock=self.clock,
            settings=settings,
            executor=_threads,
        )

    async def write(self, message: Message, *, key: str, subjects: tuple[int, ...] = ()) -> int:
        self.made += 1
        maker = EventMaker(producer="video", next_id=lambda: self.made, clock=self.clock)
        await self.tables.put(events=[maker.make(message, key=key, subject_ids=subjects, key_version=1)])
        return self.made

    async def keys(self) -> list[str]:
        return [blob.key for blob in (await self.blobs.list(ARCHIVE_PREFIX)).blobs]

    async def archived(self, *, types: tuple[type[Message], ...] = (MediaFailed, UploadCompleted), from_ms: int = 0) -> list[int]:
        """Event ids in the archive, in the order in which they are read."""
        reader = ArchiveReader(blobs=self.blobs, key=KEY, clock=self.clock)  # type: ignore[arg-type]
        found: list[int] = []
        after = ""
        while True:
            page = await reader.page(("video",), types={kind.DESCRIPTOR.full_name for kind in types}, from_ms=from_ms, after=after)
            found += [envelope.event_id for envelope in page.envelopes]
            after = page.next
            if not after:
                return found

    async def waiting(self) -> int:
        """Entries in the outbox."""
        return sum([len((await self.tables.read_outbox(shard)).entries) for shard in range(self.tables.outbox_shards)])


def _threads() -> Executor:
    return ThreadPoolExecutor(1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    tables = await open_tables(f"sqlite:///{tmp_path}/tables", service="video", row_types=(*EVENT_TABLES, ArchivePosition), clock=clock)
    blobs = LyingBlobs(FileBlobs(tmp_path / "blobs", clock=clock, url_key=b""))
    yield World(tables=tables, blobs=blobs, clock=clock)
    await tables.close()
    await blobs.close()


async def test_events_wait_for_one_another_and_then_share_a_file_by_type_and_day(world: World) -> None:
    archiver = world.archiver()
    failed = [await world.write(MediaFailed(video_id=n, reason="CORRUPT"), key=str(n)) for n in range(1, 6)]
    done = await world.write(UploadCompleted(video_id=9, size_bytes=5), key="9")
    assert not await archiver.step()
    assert await world.keys() == []
    assert archiver.age_ms() == 0
    world.clock.advance(599_999)
    assert not await archiver.step()
    assert archiver.age_ms() == 599_999

    world.clock.advance(1)
    assert await archiver.step()
    assert not await archiver.step()
    places = [Place.parse(key) for key in await world.keys()]
    assert [place and (place.topic, place.type.rpartition(".")[2]) for place in places] == [
        ("video", "MediaFailed"),
        ("video", "UploadCompleted"),
    ]
    assert sorted(await world.archived()) == sorted([*failed, done])
    assert archiver.age_ms() == 0


async def test_a_full_batch_waits_for_nothing(world: World) -> None:
    for n in range(100):
        await world.write(MediaFailed(video_id=n + 1), key=str(n))
    assert await world.archiver().step()
    assert len(await world.archived()) == 100


async def test_an_event_comes_back_as_it_was_written(world: World) -> None:
    await world.write(MediaFailed(video_id=4, creator_id=77, reason="CORRUPT"), key="4", subjects=(77,))
    (written,) = [entry for shard in range(8) for entry in (await world.tables.read_outbox(shard)).entries]
    (file,) = encode([written.envelope], batch="b", key=KEY)
    assert [envelope.SerializeToString() for envelope in decode(file.content, key=KEY)] == [written.envelope]
    with pytest.raises(ArchiveDamaged):
        decode(file.content, key=b"another-key-of-the-tests-32-byte")
    for cut in (file.content[:-1], b"", file.content[: len(file.content) // 2], b"PAR1" + file.content[5:]):
        with pytest.raises(ArchiveDamaged):
            decode(cut, key=KEY)


async def test_readers_see_people_by_pseudonym_and_no_personal_words(world: World, tmp_path: Path) -> None:
    person, other = 701_234_567_890_123_456, 801_234_567_890_123_456
    profile = Profile(user_id=person, handle="olga", display_name="Olga O.", bio="climbs", verified=True, version=3)
    # No event has words of people; were there one, this is what readers would see of it.
    await world.write(profile, key=str(person), subjects=(person,))
    await world.write(WatchRecorded(video_id=other, viewer_id=person, token_id="t"), key=f"{other}.{person}", subjects=(person,))
    world.clock.advance(600_000)
    assert await world.archiver().step()
    rows = []
    for key in await world.keys():
        path = tmp_path / "read.parquet"
        await world.blobs.get_file(key, path)
        content = path.read_bytes()
        table = parquet.read_table(path)
        assert tuple(table.column_names) == COLUMNS
        assert b"olga" not in content.lower()
        assert str(person).encode() not in content
        rows += table.drop(["envelope"]).to_pylist()
    pseudonym = Pseudonyms(derive(KEY, "pseudonyms")).of(person)
    changed, watched = sorted(rows, key=lambda row: int(row["event_id"]))
    assert changed["subjects"] == watched["subjects"] == [pseudonym]
    assert json.loads(changed["payload"]) == {"user_id": pseudonym, "verified": True, "version": 3}
    assert json.loads(watched["payload"]) == {"video_id": other, "viewer_id": pseudonym, "token_id": "t"}
    assert (changed["key"], watched["key"]) == (pseudonym, f"{other}.{pseudonym}")


async def test_what_does_not_come_back_as_it_was_written_is_not_passed(world: World) -> None:
    archiver = world.archiver()
    event = await world.write(MediaFailed(video_id=1), key="1")
    world.clock.advance(600_000)
    world.blobs.cutting = True
    with pytest.raises(ArchiveDamaged):
        await archiver.step()
    world.blobs.cutting, world.blobs.away = False, True
    with pytest.raises(BlobsUnavailable):
        await archiver.step()
    row = await world.tables.get(ArchivePosition, 0)
    assert row is not None
    assert (row.positions, row.archived) == ("", 0)
    world.blobs.away = False
    assert await archiver.step()
    assert await world.archived() == [event]
    assert len(await world.keys()) == 1


async def test_the_outbox_keeps_what_the_archive_has_not(world: World) -> None:
    # Nobody relays here: every shard's relay stands at what the outbox holds.
    cleaner = OutboxCleaner(tables=world.tables, clock=world.clock, archived=True, settings=CleaningSettings())
    unarchived = OutboxCleaner(tables=world.tables, clock=world.clock, archived=False, settings=CleaningSettings())
    await world.write(MediaFailed(video_id=1), key="1")
    await _relay_all(world)
    world.clock.advance(8 * 24 * HOUR_MS)
    assert await cleaner.clean() == 0
    assert await world.waiting() == 1
    assert await world.archiver().step()
    assert await cleaner.clean() == 1
    assert await world.waiting() == 0
    assert await world.archived() == [1]
    assert await unarchived.clean() == 0


async def test_the_outbox_keeps_what_the_relay_has_not(world: World) -> None:
    cleaner = OutboxCleaner(tables=world.tables, clock=world.clock, archived=True)
    await world.write(MediaFailed(video_id=1), key="1")
    world.clock.advance(8 * 24 * HOUR_MS)
    assert await world.archiver().step()
    assert await cleaner.clean() == 0
    await _relay_all(world)
    assert await cleaner.clean() == 1


async def test_one_member_archives_and_another_goes_on_when_it_is_gone(world: World) -> None:
    eager = replace(SETTINGS, batch=1)
    first, second = world.archiver(member="video-1", settings=eager), world.archiver(member="video-2", settings=eager)
    await world.write(MediaFailed(video_id=1), key="1")
    assert await first.step()
    await world.write(MediaFailed(video_id=2), key="2")
    world.clock.advance(SETTINGS.lease_ms - 1)
    assert not await second.step()
    world.clock.advance(1)
    assert await second.step()
    assert not await first.step()
    assert await world.archived() == [1, 2]


async def test_a_replay_begins_at_the_day_of_the_moment_and_leaves_older_events_out(world: World) -> None:
    archiver = world.archiver()
    moments = []
    for n in range(1, 4):
        await world.write(MediaFailed(video_id=n), key=str(n))
        moments.append(world.clock.now_ms())
        world.clock.advance(30 * HOUR_MS)
        assert await archiver.step()
    assert await world.archived() == [1, 2, 3]
    assert await world.archived(from_ms=moments[1]) == [2, 3]
    assert await world.archived(from_ms=moments[1] + 1) == [3]
    assert await world.archived(types=(UploadCompleted,)) == []


async def test_days_past_their_time_go_by_type(world: World) -> None:
    settings = replace(SETTINGS, retention=Retention.parse("clipmesh.video.v1.MediaFailed=2"))
    archiver = world.archiver(settings=settings)
    await world.write(MediaFailed(video_id=1), key="1")
    await world.write(UploadCompleted(video_id=2), key="2")
    world.clock.advance(600_000)
    assert await archiver.step()
    world.clock.advance(48 * HOUR_MS)
    assert not await archiver.step()
    assert sorted(await world.archived()) == [1, 2]
    world.clock.advance(24 * HOUR_MS)
    assert not await archiver.step()
    assert await world.archived() == [2]


@pytest.mark.parametrize("text", ["a.B", "a.B=0", "a.B=x", "=,"])
def test_a_retention_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="CLIPMESH_ARCHIVE_DAYS"):
        Retention.parse(text)


def test_a_retention_names_types_and_the_rest() -> None:
    kept = Retention.parse("clipmesh.feed.v1.WatchRecorded=90, *=30")
    assert [kept.days_of(name) for name in ("clipmesh.feed.v1.WatchRecorded", "other", "clipmesh.social.v1.SessionRevoked")] == [90, 30, 7]


async def test_batches_are_encoded_outside_of_the_service(world: World) -> None:
    archiver = Archiver(
        tables=world.tables,
        blobs=world.blobs,  # type: ignore[arg-type]
        key=KEY,
        topics=("video",),
        service="video",
        member="video-1",
        clock=world.clock,
    )
    await world.write(MediaFailed(video_id=1), key="1")
    world.clock.advance(600_000)
    assert await archiver.step()
    assert await world.archived() == [1]


async def _relay_all(world: World) -> None:
    for shard in range(world.tables.outbox_shards):
        page = await world.tables.read_outbox(shard)
        await world.tables.insert(RelayPosition(shard=shard, position=page.position))
