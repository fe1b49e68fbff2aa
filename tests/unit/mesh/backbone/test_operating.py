"""The operator lists, replays and rewinds at the service itself; nobody else may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clipmesh.common.v1 import operator_service_pb2 as pb
from clipmesh.common.v1.operator_service_pb2_grpc import OperatorServiceStub
from clipmesh.video.v1.events_pb2 import MediaFailed

from mesh.backbone import Backbone
from mesh.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unavailable
from mesh.events.rows import DeadLetter
from mesh.status import RpcFailed
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for, serve
from tests.unit.mesh.backbone.failures import Failure, Failures


@dataclass
class World:
    """A service with one consumer, and its operator."""

    backbone: Backbone
    consumer: Failures
    operator: OperatorServiceStub
    gateway: OperatorServiceStub
    server: RedisServer
    event_ids: list[int] = field(default_factory=list)

    async def write(self, *failures: tuple[int, str]) -> None:
        """Publish and wait until the consumer saw them."""
        seen = len(self.consumer.seen)
        for video_id, reason in failures:
            event = self.backbone.events.make(MediaFailed(video_id=video_id, reason=reason), key=str(video_id), key_version=1)
            self.event_ids.append(event.event_id)
            await self.backbone.tables.put(events=[event])
        await self.until_seen(seen + len(failures))

    async def until_seen(self, count: int) -> None:
        """Wait until the consumer saw so many and acknowledged them."""
        async with asyncio.timeout(15):
            while len(self.consumer.seen) < count or (await self.groups())[0].waiting:
                await asyncio.sleep(0.02)

    async def groups(self) -> list[pb.ConsumerGroup]:
        """What the service tells of its groups."""
        return list((await self.operator.ListConsumerGroups(pb.ListConsumerGroupsRequest())).groups)

    async def letters(self, **fields: object) -> pb.ListDeadLettersResponse:
        """Its dead letters."""
        return await self.operator.ListDeadLetters(pb.ListDeadLettersRequest(group="video.failures", **fields))


@pytest.fixture
async def world(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[World]:
    process = process_for("video", named={"page_token_key": b"k" * 32})
    backbone = await Backbone.open(process, tables=f"sqlite:///{tmp_path}", redis=redis_server.url, events="", row_types=(Failure,))
    try:
        consumer = Failures()
        backbone.consume(consumer)
        async with serve(backbone.operator_service(), service="video", process=process) as served:
            stubs = [served.stub(OperatorServiceStub, caller=caller) for caller in ("operator", "gateway")]
            yield World(backbone, consumer, *stubs, redis_server)
    finally:
        await backbone.close()


async def test_groups_are_told_with_what_waits_for_them(world: World) -> None:
    await world.write((1, "CORRUPT"), (2, "HOPELESS"))
    (group,) = await world.groups()
    assert group == pb.ConsumerGroup(group="video.failures", topics=["video"], waiting=0, oldest_ms=0, dead_letters=1)


async def test_a_dead_letter_is_listed_with_its_reason_page_by_page(world: World) -> None:
    await world.write((1, "HOPELESS"), (2, "CORRUPT"), (3, "HOPELESS"))
    first = await world.letters(page_size=1)
    second = await world.letters(page_size=1, page_token=first.next_page_token)
    letters = [*first.letters, *second.letters]
    assert [letter.event_id for letter in letters] == [world.event_ids[0], world.event_ids[2]]
    letter = letters[0]
    assert (letter.group, letter.topic, letter.key, letter.key_version) == ("video.failures", "video", "1", 1)
    assert (letter.type, letter.reason, letter.detail) == ("clipmesh.video.v1.MediaFailed", "HOPELESS", "cannot work yet")
    assert letter.replayable
    with pytest.raises(InvalidArgument) as failed:
        await world.letters(page_token=first.next_page_token + "A")
    assert failed.value.reason == "INVALID_PAGE_TOKEN"


async def test_a_replay_works_once_the_cause_is_mended_and_only_once(world: World) -> None:
    await world.write((1, "HOPELESS"))
    replay = pb.ReplayDeadLetterRequest(group="video.failures", event_id=world.event_ids[0])
    with pytest.raises(FailedPrecondition) as failed:
        await world.operator.ReplayDeadLetter(replay)
    assert failed.value.reason == "REPLAY_FAILED"
    assert [letter.reason for letter in (await world.letters()).letters] == ["HOPELESS"]
    assert await world.backbone.tables.get(Failure, 1) is None

    world.consumer.mended = True
    await world.operator.ReplayDeadLetter(replay)
    assert await world.backbone.tables.get(Failure, 1) == Failure(video_id=1, reason="HOPELESS", version=1)
    assert list((await world.letters()).letters) == []
    with pytest.raises(NotFound) as gone:
        await world.operator.ReplayDeadLetter(replay)
    assert gone.value.reason == "DEAD_LETTER_NOT_FOUND"


async def test_a_rewound_group_reads_again_from_the_moment(world: World) -> None:
    await world.write((1, "CORRUPT"), (2, "CORRUPT"))
    answer = await world.operator.RewindConsumerGroup(pb.RewindConsumerGroupRequest(group="video.failures", from_at_ms=0))
    assert list(answer.topics) == ["video"]
    await world.until_seen(4)
    assert sorted(world.consumer.seen) == [1, 1, 2, 2]
    later_ms = world.backbone.process.clock.now_ms() + 60_000
    await world.operator.RewindConsumerGroup(pb.RewindConsumerGroupRequest(group="video.failures", from_at_ms=later_ms))
    await world.write((3, "CORRUPT"))
    assert sorted(world.consumer.seen) == [1, 1, 2, 2, 3]


async def test_unknown_groups_are_refused_by_name_and_change_nothing(world: World) -> None:
    await world.write((1, "HOPELESS"))
    before = (await world.backbone.tables.walk(DeadLetter)).rows
    refused = (
        world.operator.ListDeadLetters(pb.ListDeadLettersRequest(group="video.nobody")),
        world.operator.ReplayDeadLetter(pb.ReplayDeadLetterRequest(group="video.nobody", event_id=world.event_ids[0])),
        world.operator.RewindConsumerGroup(pb.RewindConsumerGroupRequest(group="feed.failures")),
    )
    for call in refused:
        with pytest.raises(NotFound) as failed:
            await call
        assert failed.value.reason == "CONSUMER_GROUP_NOT_FOUND"
    assert (await world.backbone.tables.walk(DeadLetter)).rows == before
    assert world.consumer.seen == [1]


async def test_without_the_stream_letters_are_told_and_nothing_is_rewound(world: World) -> None:
    await world.write((1, "HOPELESS"))
    await world.server.kill()
    (group,) = await world.groups()
    assert (group.waiting, group.dead_letters) == (-1, 1)
    with pytest.raises(Unavailable) as failed:
        await world.operator.RewindConsumerGroup(pb.RewindConsumerGroupRequest(group="video.failures"))
    assert failed.value.reason == "DEPENDENCY_UNAVAILABLE"


async def test_nobody_but_the_operator_may(world: World) -> None:
    await world.write((1, "HOPELESS"))
    world.consumer.mended = True
    refused = (
        world.gateway.ListConsumerGroups(pb.ListConsumerGroupsRequest()),
        world.gateway.ListDeadLetters(pb.ListDeadLettersRequest(group="video.failures")),
        world.gateway.ReplayDeadLetter(pb.ReplayDeadLetterRequest(group="video.failures", event_id=world.event_ids[0])),
        world.gateway.RewindConsumerGroup(pb.RewindConsumerGroupRequest(group="video.failures")),
    )
    for call in refused:
        with pytest.raises(PermissionDenied) as failed:
            await call
        assert isinstance(failed.value, RpcFailed)
        assert failed.value.reason == "FORBIDDEN"
    assert world.consumer.seen == [1]
    assert await world.backbone.tables.get(Failure, 1) is None
