"""The sound service on real tables behind real gRPC, with a clock that stands still."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.sound.v1 import catalogue_service_pb2 as pb
from clipmesh.sound.v1 import events_pb2
from clipmesh.sound.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from clipmesh.video.v1 import events_pb2 as video_events_pb2
from clipmesh.video.v1 import video_service_pb2
from google.protobuf.message import Message

from mesh.events.applying import Applying
from mesh.events.event import EventMaker
from mesh.ids import NodeLease, open_ids
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, process_for, serve
from svc_sound.wiring import ROW_TYPES, Sounds

R = TypeVar("R")

NAMED = {"page_token_key": b"p" * 32, "archive_key": b"a" * 32}
CREATOR = 900


def video(video_id: int, sound_id: int, **fields: Any) -> video_service_pb2.Video:
    """A public video that uses a sound."""
    return video_service_pb2.Video(
        **{
            "video_id": video_id,
            "creator_id": CREATOR,
            "state": video_service_pb2.VIDEO_STATE_READY,
            "visibility": video_service_pb2.VISIBILITY_PUBLIC,
            "sound_id": sound_id,
            **fields,
        }
    )


@dataclass(kw_only=True)
class World:
    """Everything that a test touches."""

    clock: FakeClock
    tables: Tables
    sounds: Sounds
    served: Served

    def stub(self, caller: str = "gateway") -> CatalogueServiceStub:
        return self.served.stub(CatalogueServiceStub, caller=caller)

    async def register(self, video_id: int, **fields: Any) -> pb.Sound:
        request = pb.RegisterOriginalSoundRequest(
            **{"video_id": video_id, "creator_id": CREATOR, "duration_ms": 12_000, "audio_key": f"audio/{video_id}/audio.mp4", **fields}
        )
        return (await self.stub("video").RegisterOriginalSound(request)).sound

    async def get(self, sound_id: int) -> pb.Sound:
        return (await self.stub().GetSound(pb.GetSoundRequest(sound_id=sound_id))).sound

    async def many(self, *sound_ids: int) -> list[pb.Sound]:
        return list((await self.stub().BatchGetSounds(pb.BatchGetSoundsRequest(sound_ids=sound_ids))).sounds)

    async def videos_of(self, sound_id: int, *, size: int = 0, token: str = "") -> tuple[list[int], str]:
        request = pb.ListSoundVideosRequest(sound_id=sound_id, page_size=size, page_token=token)
        answer = await self.stub().ListSoundVideos(request)
        return [*answer.video_ids], answer.next_page_token

    async def list_all(self, sound_id: int, *, size: int) -> list[list[int]]:
        """Every page of a list."""
        pages, token = [], ""
        while True:
            videos, token = await self.videos_of(sound_id, size=size, token=token)
            pages.append(videos)
            if not token:
                return pages

    async def fold(self, *changes: tuple[int, Message]) -> None:
        """Let the consumer apply events, each with its key_version."""
        applying = Applying(consumer=self.sounds.consumer, tables=self.tables, handler_timeout_ms=5_000, telemetry=None)
        make = EventMaker(producer="video", next_id=itertools.count(1).__next__, clock=self.clock)
        for version, message in changes:
            assert await applying.apply(make.make(message, key="any", key_version=version).envelope(row_version=version))

    async def publish(self, *videos: video_service_pb2.Video, version: int = 1) -> None:
        """Videos become public."""
        await self.fold(*((version, video_events_pb2.VideoPublished(video=one)) for one in videos))

    async def withdraw(self, *video_ids: int, version: int = 2) -> None:
        """Videos are no longer public."""
        await self.fold(*((version, video_events_pb2.VideoWithdrawn(video_id=one, creator_id=CREATOR)) for one in video_ids))

    async def rows(self, row_type: type[R]) -> list[R]:
        """Every row of a table."""
        found: list[R] = []
        after = ""
        while True:
            page = await self.tables.walk(row_type, after=after)
            found += page.rows
            after = page.next
            if not after:
                return sorted(found, key=repr)

    async def everything(self) -> dict[type, Any]:
        """Every row of the service, to see that nothing changed."""
        return {row_type: await self.rows(row_type) for row_type in ROW_TYPES}

    async def created(self) -> list[tuple[EventEnvelope, events_pb2.SoundCreated]]:
        """The events in the outbox."""
        entries = [entry for shard in range(self.tables.outbox_shards) for entry in (await self.tables.read_outbox(shard)).entries]
        envelopes = [EventEnvelope.FromString(entry.envelope) for entry in entries]
        return [(envelope, events_pb2.SoundCreated.FromString(envelope.payload)) for envelope in envelopes]


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """A sound service in a folder."""
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        tables = await open_tables(f"sqlite:///{folder}", service="sound", row_types=(*ROW_TYPES, NodeLease), clock=clock)
        stack.push_async_callback(tables.close)
        ids = await open_ids(tables, service="sound", clock=clock, lease_ms=10**12)
        stack.push_async_callback(ids.close)
        sounds = Sounds(
            tables=tables,
            events=EventMaker(producer="sound", next_id=ids.next, clock=clock),
            next_id=ids.next,
            clock=clock,
            page_token_key=NAMED["page_token_key"],
        )
        process = process_for("sound", clock=clock, named=NAMED)
        served = await stack.enter_async_context(serve(*sounds.services, service="sound", process=process))
        yield World(clock=clock, tables=tables, sounds=sounds, served=served)
