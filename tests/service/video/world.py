"""The video service in one test: real tables, real objects, real gRPC; time stands still and loops run when the test says so."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from clipmesh.common.v1 import envelope_pb2, viewer_pb2
from clipmesh.rights.v1.publication_service_pb2_grpc import PublicationServiceStub
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub
from clipmesh.sound.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from clipmesh.video.v1 import events_pb2, playback_service_pb2, upload_service_pb2, video_service_pb2
from clipmesh.video.v1.playback_service_pb2_grpc import PlaybackServiceStub
from clipmesh.video.v1.upload_service_pb2_grpc import UploadServiceStub
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub
from google.protobuf.message import Message

from mesh.events.event import EventMaker
from mesh.ids import Ids, NodeLease, open_ids
from mesh.stores.blobs import open_blobs, upload_door
from mesh.stores.blobs.port import Blobs, MultipartGone, OpenMultipart
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestRecord
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, process_for, serve, viewer
from svc_video.layout import raw_key, video_prefix
from svc_video.people import People
from svc_video.rooms import ROOM_TABLES, Rooms
from svc_video.serving import served_services
from svc_video.settings import VideoSettings
from svc_video.videos.actions import Finding, MediaActions, ProbedMedia, RenditionFacts, SeenMedia
from svc_video.videos.neighbours import Neighbours
from svc_video.videos.work import WorkLoop
from tests.service.video.neighbours import FakeGraph, FakeRights, FakeSocial, FakeSound

PART = 1_000
"""Bytes of a part in tests."""
ALICE, BOB, MODERATOR = 1_001, 1_002, 1_003
NAMED = {"blob_url_key": b"u" * 32, "page_token_key": b"p" * 32, "archive_key": b"a" * 32}
RENDITION_720 = RenditionFacts(name="720p", width=720, height=1280)
LADDER = (
    RENDITION_720,
    RenditionFacts(name="1080p", width=1080, height=1920),
    RenditionFacts(name="480p", width=480, height=854),
    RenditionFacts(name="360p", width=360, height=640),
    RenditionFacts(name="240p", width=240, height=426),
)
SOURCE_SHA256 = b"\x5a" * 32
HASHES = (b"\x11" * 32, b"\x22" * 32)

_EVENTS = {
    message.DESCRIPTOR.full_name: message
    for message in vars(events_pb2).values()
    if isinstance(message, type) and issubclass(message, Message)
}


class FakeJobs:
    """Processing as uploads and videos know it: remembers what is open."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.closed: list[int] = []
        self.asked_for_rest: list[int] = []
        self.down = False

    async def open(self, **job: Any) -> None:
        if self.down:
            raise RuntimeError("processing died")
        if job not in self.opened:
            self.opened.append(job)

    async def close(self, video_id: int) -> None:
        self.closed.append(video_id)

    def ask_for_rest(self, video_id: int) -> None:
        self.asked_for_rest.append(video_id)


@dataclasses.dataclass(kw_only=True)
class World:
    """Everything that a test touches."""

    clock: FakeClock
    tables: Tables
    blobs: Blobs
    ids: Ids
    rooms: Rooms[FakeJobs]
    served: Served
    rights: FakeRights
    social: FakeSocial
    graph: FakeGraph
    sound: FakeSound
    neighbours: Neighbours
    hints: list[tuple[int, int]]
    blob_folder: Path
    part_bytes: int

    def uploads(self, user_id: int = ALICE) -> UploadServiceStub:
        return self.served.stub(UploadServiceStub, viewer=viewer(user_id=user_id))

    def videos(self, user_id: int = ALICE, *roles: viewer_pb2.Role.ValueType) -> VideoServiceStub:
        return self.served.stub(VideoServiceStub, viewer=viewer(user_id=user_id, roles=roles))

    def playback(self, user_id: int = ALICE, **fields: Any) -> PlaybackServiceStub:
        return self.served.stub(PlaybackServiceStub, viewer=viewer(user_id=user_id, **fields))

    # ── uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, user_id: int = ALICE, *, size: int = 2_500, request_id: str = "r1", **fields: Any) -> upload_service_pb2.Upload:
        request = upload_service_pb2.StartUploadRequest(
            **{"request_id": request_id, "size_bytes": size, "mime_type": "video/mp4", "duration_ms": 20_000, **fields}
        )
        return (await self.uploads(user_id).StartUpload(request)).upload

    async def sign(self, upload_id: int, *numbers: int, user_id: int = ALICE) -> list[upload_service_pb2.SignedPart]:
        request = upload_service_pb2.SignUploadPartsRequest(upload_id=upload_id, part_numbers=numbers)
        return list((await self.uploads(user_id).SignUploadParts(request)).parts)

    async def put(self, url: str, body: bytes) -> str:
        """PUT a body to a signed link, as the gateway's door would take it, or the store itself; answers the etag. Raises MultipartGone."""
        door = upload_door(self.blobs)
        if door is None:
            async with httpx.AsyncClient() as client:
                answer = await client.put(url, content=body)
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise MultipartGone(url)
            return str(answer.raise_for_status().headers["etag"]).strip('"')
        parts = urlsplit(url)

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        return await door.receive(door.read_link(parts.path, parts.query), chunks())

    async def send(self, upload: upload_service_pb2.Upload, *, user_id: int = ALICE, fill: bytes = b"x") -> dict[int, str]:
        """Send all parts; answers their etags."""
        etags = {}
        for part in await self.sign(upload.upload_id, *range(1, upload.part_count + 1), user_id=user_id):
            etags[part.part_number] = await self.put(part.url, fill * part.size_bytes)
        return etags

    async def complete(self, upload_id: int, *, user_id: int = ALICE, **etags: str) -> upload_service_pb2.Upload:
        parts = [upload_service_pb2.ReceivedPart(part_number=int(name[1:]), etag=etag) for name, etag in etags.items()]
        request = upload_service_pb2.CompleteUploadRequest(upload_id=upload_id, parts=parts)
        return (await self.uploads(user_id).CompleteUpload(request)).upload

    async def abort(self, upload_id: int, *, user_id: int = ALICE) -> upload_service_pb2.Upload:
        return (await self.uploads(user_id).AbortUpload(upload_service_pb2.AbortUploadRequest(upload_id=upload_id))).upload

    async def get(self, upload_id: int, *, user_id: int = ALICE) -> upload_service_pb2.Upload:
        return (await self.uploads(user_id).GetUpload(upload_service_pb2.GetUploadRequest(upload_id=upload_id))).upload

    # ── videos ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def processing(self, *, request_id: str = "r1", user_id: int = ALICE) -> int:
        """A video whose bytes all arrived."""
        upload = await self.start(user_id, request_id=request_id)
        await self.send(upload, user_id=user_id)
        await self.complete(upload.upload_id, user_id=user_id)
        return upload.upload_id

    async def probe(self, video_id: int, *, has_audio: bool = True, seen: bool = True) -> None:
        await self.rooms.media.media_probed(
            video_id,
            ProbedMedia(
                duration_ms=20_000,
                width=720,
                height=1280,
                has_audio=has_audio,
                facts_json='{"codec": "h264"}',
                source_sha256=SOURCE_SHA256,
                recipe_version="1+8.1.2",
                output_prefix=video_prefix(video_id),
                has_waveform=has_audio,
                renditions=LADDER,
            ),
        )
        if seen:
            await self.see(video_id)

    async def see(self, video_id: int, *, has_storyboard: bool = True) -> None:
        await self.rooms.media.media_seen(
            video_id,
            SeenMedia(
                perceptual_hashes=HASHES,
                findings=(Finding(name="black_ratio", score=0.25),),
                classified=False,
                has_preview=True,
                has_storyboard=has_storyboard,
            ),
        )

    async def playable(self, video_id: int, *, audio_key: str = "audio/a/audio.mp4") -> None:
        await self.rooms.media.became_playable(video_id, renditions=[RENDITION_720], audio_key=audio_key)

    async def publish(self, video_id: int, *, user_id: int = ALICE, request_id: str = "p1", **fields: Any) -> video_service_pb2.Video:
        request = video_service_pb2.PublishVideoRequest(**{"request_id": request_id, "video_id": video_id, "caption": "hello", **fields})
        return (await self.videos(user_id).PublishVideo(request)).video

    async def public(self, *, request_id: str = "r1", user_id: int = ALICE, has_audio: bool = False, **fields: Any) -> int:
        """A public video."""
        video_id = await self.processing(request_id=request_id, user_id=user_id)
        await self.probe(video_id, has_audio=has_audio)
        await self.playable(video_id, audio_key="audio/a/audio.mp4" if has_audio else "")
        await self.publish(video_id, user_id=user_id, request_id=f"publish {request_id}", **fields)
        await self.work()
        return video_id

    async def update(self, video_id: int, *, user_id: int = ALICE, request_id: str = "", **fields: Any) -> video_service_pb2.Video:
        """An edit; one of its own unless `request_id` says which."""
        request = video_service_pb2.UpdateVideoRequest(video_id=video_id, request_id=request_id or uuid.uuid4().hex, **fields)
        return (await self.videos(user_id).UpdateVideo(request)).video

    async def delete(self, video_id: int, *, user_id: int = ALICE) -> None:
        await self.videos(user_id).DeleteVideo(video_service_pb2.DeleteVideoRequest(video_id=video_id))

    async def seen(self, *video_ids: int, user_id: int = ALICE, roles: tuple[Any, ...] = ()) -> list[video_service_pb2.Video]:
        request = video_service_pb2.BatchGetVideosRequest(video_ids=video_ids)
        return list((await self.videos(user_id, *roles).BatchGetVideos(request)).videos)

    async def plays(self, *video_ids: int, user_id: int = ALICE, **fields: Any) -> list[playback_service_pb2.Playback]:
        request = playback_service_pb2.BatchGetPlaybackRequest(video_ids=video_ids)
        return list((await self.playback(user_id, **fields).BatchGetPlayback(request)).playbacks)

    async def revocations(self, after: int = 0, **fields: Any) -> playback_service_pb2.ListRevocationsResponse:
        stub = self.served.stub(PlaybackServiceStub)
        return await stub.ListRevocations(playback_service_pb2.ListRevocationsRequest(after=after, **fields))

    # ── behind the scenes ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def work(self) -> None:
        """Let every loop do what is due, until nothing more follows."""
        for _ in range(3):
            for loop in self.rooms.loops.values():
                await loop.run_once()

    async def events(self) -> list[tuple[envelope_pb2.EventEnvelope, Message]]:
        """All events so far, those of one key in order."""
        found = []
        for shard in range(self.tables.outbox_shards):
            for entry in (await self.tables.read_outbox(shard)).entries:
                envelope = envelope_pb2.EventEnvelope.FromString(entry.envelope)
                found.append((envelope, _EVENTS[envelope.type].FromString(envelope.payload)))
        return found

    async def event_names(self) -> list[str]:
        return [type(message).__name__ for _, message in await self.events()]

    async def rows(self, *row_types: type) -> dict[type, list[Any]]:
        """Every row of the given tables (all but request records and leases when none is given), to see that nothing changed."""
        found: dict[type, list[Any]] = {}
        for row_type in row_types or ROOM_TABLES:
            found[row_type] = sorted((await self.tables.walk(row_type)).rows, key=repr)
        return found

    async def objects(self, prefix: str = "") -> list[str]:
        return [blob.key for blob in (await self.blobs.list(prefix)).blobs]

    async def multiparts(self) -> list[OpenMultipart]:
        return list(await self.blobs.multipart_list("raw/"))

    def restarted(self) -> Rooms[FakeJobs]:
        """The service after its process died: same stores, nothing in memory."""
        self.rooms = self.make_rooms()
        return self.rooms

    make_rooms: Callable[[], Rooms[FakeJobs]]


@asynccontextmanager
async def world_in(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """A world in a folder of its own."""
    clock = FakeClock()
    rights, social, graph, sound = FakeRights(), FakeSocial(), FakeGraph(), FakeSound()
    jobs = FakeJobs()
    hints: list[tuple[int, int]] = []
    stores = {"tables": f"sqlite:///{folder}/tables", "blobs": f"file:///{folder}/blobs", "redis": "", "upload_part_bytes": PART}
    chosen = VideoSettings(secrets="", testing=True, **{**stores, **settings})
    async with AsyncExitStack() as stack:
        tables = await open_tables(chosen.tables, service="video", row_types=(*ROOM_TABLES, NodeLease, RequestRecord), clock=clock)
        stack.push_async_callback(tables.close)
        ids = await open_ids(tables, service="video", clock=clock, lease_ms=10**10)
        stack.push_async_callback(ids.close)
        blobs = open_blobs(chosen.blobs, clock=clock, url_key=NAMED["blob_url_key"])
        stack.push_async_callback(blobs.close)
        rights_served = await stack.enter_async_context(serve(rights.served, service="rights", clock=clock))
        social_served = await stack.enter_async_context(serve(social.served, graph.served, service="social", clock=clock))
        sound_served = await stack.enter_async_context(serve(sound.served, service="sound", clock=clock))
        neighbours = Neighbours(
            rights=rights_served.stub(PublicationServiceStub, caller="video"),
            social=social_served.stub(ProfileServiceStub, caller="video"),
            graph=social_served.stub(GraphServiceStub, caller="video"),
            sound=sound_served.stub(CatalogueServiceStub, caller="video"),
        )
        process = process_for("video", clock=clock, named=NAMED, settings=chosen)

        def make_rooms() -> Rooms[FakeJobs]:
            return Rooms(
                tables=tables,
                blobs=blobs,
                events=EventMaker(producer="video", next_id=ids.next, clock=clock),
                next_id=ids.next,
                clock=clock,
                secrets=process.secrets,
                settings=chosen,
                neighbours=neighbours,
                people=People(graph=social_served.stub(GraphServiceStub, caller="video")),
                hint=lambda video_id, version: hints.append((video_id, version)),
                telemetry=process.telemetry,
                jobs_of=lambda media: jobs,
            )

        rooms = make_rooms()
        served = await stack.enter_async_context(serve(*served_services(rooms, permits=process.permits), service="video", process=process))
        yield World(
            clock=clock,
            tables=tables,
            blobs=blobs,
            ids=ids,
            rooms=rooms,
            served=served,
            rights=rights,
            social=social,
            graph=graph,
            sound=sound,
            neighbours=neighbours,
            hints=hints,
            blob_folder=folder / "blobs",
            part_bytes=chosen.upload_part_bytes,
            make_rooms=make_rooms,
        )


__all__ = ["ALICE", "BOB", "LADDER", "MODERATOR", "PART", "MediaActions", "WorkLoop", "World", "raw_key", "world_in"]
