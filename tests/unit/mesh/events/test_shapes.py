"""Repeated, late and shuffled events leave the same rows as the events once, in order."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.video.v1.events_pb2 import UploadCompleted

from mesh.events.applying import Applying
from mesh.events.incoming import Incoming, MalformedEvent
from mesh.events.shapes import Consumer, Rejected, SetMembership
from mesh.stores.tables.port import Tables
from mesh.stores.tables.schema import key_of
from tests.unit.mesh.events.world import Sizes, UploadOf, Uploads, completed, unknown, withdrawn


class PlainRows:
    """The rule of plain tables: a row that is not newer changes nothing."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], Any] = {}

    async def put(self, *rows: Any) -> None:
        for row in rows:
            assert row.version >= 1
            key = (type(row), *key_of(row))
            if key not in self.rows or row.version > self.rows[key].version:
                self.rows[key] = row


def applying(consumer: Consumer, rows: PlainRows) -> Applying:
    return Applying(consumer=consumer, tables=cast(Tables, rows), handler_timeout_ms=1_000, telemetry=None)


def history(seed: int) -> list[EventEnvelope]:
    """What happened to three videos, each in order."""
    rng = random.Random(seed)
    events = []
    for video_id in (1, 2, 3):
        for version in range(1, rng.randint(3, 6)):
            events.append(completed(video_id, version, size_bytes=rng.randint(1, 1_000_000), creator_id=rng.randint(1, 2)))
        if rng.random() < 0.5:
            events.append(withdrawn(video_id, version + 1))
    return events


def disturbed(events: list[EventEnvelope], seed: int) -> list[EventEnvelope]:
    """Every event at least once, in any order."""
    rng = random.Random(seed)
    delivered = events + rng.choices(events, k=len(events))
    rng.shuffle(delivered)
    return delivered


@pytest.mark.parametrize("consumer_type", [Sizes, Uploads])
async def test_200_random_deliveries_with_repeats_and_out_of_order_change_nothing(consumer_type: type[Sizes] | type[Uploads]) -> None:
    for seed in range(200):
        events = history(seed)
        once, many = PlainRows(), PlainRows()
        for envelope in events:
            await applying(consumer_type(), once).apply(envelope)
        for envelope in disturbed(events, seed):
            await applying(consumer_type(), many).apply(envelope)
        assert many.rows == once.rows, f"seed {seed}"
        assert once.rows


async def test_a_late_event_does_not_bring_back_what_is_gone() -> None:
    rows = PlainRows()
    for envelope in (completed(1, 1), withdrawn(1, 3), completed(1, 2)):
        await applying(Sizes(), rows).apply(envelope)
    ((_, row),) = rows.rows.items()
    assert (row.gone, row.version) == (True, 3)


async def test_a_versioned_row_needs_a_version() -> None:
    rows = PlainRows()
    with pytest.raises(Rejected) as refusal:
        await applying(Sizes(), rows).apply(completed(1, 0, size_bytes=5))
    assert refusal.value.reason == "EVENT_WITHOUT_VERSION"
    assert rows.rows == {}


async def test_a_member_needs_the_operation_id_in_its_key() -> None:
    class Careless(SetMembership):
        name = "careless"
        topics = ("video",)

        def __init__(self) -> None:
            self.handlers = {UploadCompleted: self.completed}

        async def completed(self, event: Incoming[UploadCompleted]) -> UploadOf:
            return UploadOf(creator_id=1, operation_id=event.envelope.event_id + 1)

    rows = PlainRows()
    with pytest.raises(Rejected) as refusal:
        await applying(Careless(), rows).apply(completed(1, 1))
    assert refusal.value.reason == "ROW_WITHOUT_OPERATION_ID"
    assert rows.rows == {}


async def test_an_operation_may_have_an_id_of_its_own() -> None:
    class ByVideo(Uploads):
        def operation_id(self, event: Incoming[Any]) -> int:
            return int(event.message.video_id)

        async def completed(self, event: Incoming[UploadCompleted]) -> UploadOf:
            return UploadOf(creator_id=event.message.creator_id, operation_id=event.message.video_id)

    rows = PlainRows()
    for envelope in (completed(1, 1), completed(1, 2), completed(2, 1)):
        await applying(ByVideo(), rows).apply(envelope)
    assert sorted(row.operation_id for row in rows.rows.values()) == [1, 2]


async def test_unknown_types_are_told_and_broken_payloads_refused() -> None:
    rows = PlainRows()
    assert await applying(Sizes(), rows).apply(unknown(1, 1)) is False
    broken = completed(1, 1)
    broken.payload = b"\xff\xff"
    with pytest.raises(MalformedEvent):
        await applying(Sizes(), rows).apply(broken)
    assert rows.rows == {}
