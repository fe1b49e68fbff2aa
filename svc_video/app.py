"""Wires the video service: stores, neighbours, areas, servicers, consumers, loops."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence

from clipmesh.rights.v1.publication_service_pb2_grpc import PublicationServiceStub
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub
from clipmesh.sound.v1.catalogue_service_pb2_grpc import CatalogueServiceStub

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.events.hint_sender import HintSender
from mesh.server import ServedService
from mesh.stores.blobs import check_part_size, open_blobs
from mesh.stores.blobs.port import Blobs
from mesh.stores.protected.blobs import protected_blobs
from svc_video.images.consumers import AvatarsOfPeople
from svc_video.layout import UPKEEP
from svc_video.people import People
from svc_video.processing.actions import JobActions
from svc_video.processing.consumers import ViewsOfFeed
from svc_video.processing.service import job_service
from svc_video.processing.store import JobStore, ViewStore
from svc_video.processing.tables import PROCESSING_TABLES
from svc_video.rooms import ROOM_TABLES, Rooms
from svc_video.serving import served_services
from svc_video.settings import VideoSettings
from svc_video.videos.actions import MediaActions
from svc_video.videos.consumers import VerdictsOfRights
from svc_video.videos.neighbours import Neighbours
from svc_video.videos.progress import HINT_TOPIC


class VideoApp:
    """The video service as one process; workers are processes of their own."""

    def __init__(self, *, process: Process, settings: VideoSettings) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._backbone: Backbone | None = None
        self._blobs: Blobs | None = None
        self._hints: HintSender | None = None
        self._jobs: JobActions | None = None
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the stores, rebuild the queue, begin to sweep, to ask the gate and to hear its verdicts."""
        settings, process = self._settings, self.process
        check_part_size(settings.blobs, settings.upload_part_bytes, variable="CLIPMESH_UPLOAD_PART_BYTES")
        objects = open_blobs(settings.blobs, clock=process.clock, url_key=process.secrets.named("blob_url_key"))
        blobs = self._blobs = protected_blobs(objects, telemetry=process.telemetry)
        backbone = self._backbone = await Backbone.open(
            process,
            tables=settings.tables,
            redis=settings.redis,
            events=settings.events,
            row_types=(*ROOM_TABLES, *PROCESSING_TABLES),
            look=lambda: blobs.prepare(UPKEEP),
        )
        await backbone.archive(settings, topics=("video",), blobs=blobs)
        hints = self._hints = HintSender(stream=backbone.stream, topic=HINT_TOPIC)
        neighbours = Neighbours(
            rights=process.channels.stub(PublicationServiceStub, "rights", idempotent={"AssessPublication"}),
            social=process.channels.stub(ProfileServiceStub, "social"),
            graph=process.channels.stub(GraphServiceStub, "social"),
            sound=process.channels.stub(CatalogueServiceStub, "sound", idempotent={"RegisterOriginalSound"}),
        )

        def jobs_of(media: MediaActions) -> JobActions:
            return JobActions(
                store=JobStore(tables=backbone.tables),
                blobs=blobs,
                media=media,
                creator_of=neighbours.creator,
                clock=process.clock,
                settings=settings,
                telemetry=process.telemetry,
            )

        rooms = Rooms(
            tables=backbone.tables,
            blobs=blobs,
            events=backbone.events,
            next_id=backbone.ids.next,
            clock=process.clock,
            secrets=process.secrets,
            settings=settings,
            neighbours=neighbours,
            people=People(graph=process.channels.stub(GraphServiceStub, "social")),
            hint=hints.send,
            telemetry=process.telemetry,
            jobs_of=jobs_of,
        )
        self._jobs = rooms.jobs
        await rooms.jobs.start()
        # Loops end by being cancelled and carry neither deadline nor viewer of whoever starts them.
        for work in (*(loop.run() for loop in rooms.loops.values()), rooms.sweeper.run(), rooms.image_sweeper.run()):
            self._loops.append(asyncio.create_task(work, context=contextvars.Context()))
        backbone.consume(VerdictsOfRights(changes=rooms.changes))
        if settings.job_codecs and settings.job_codecs_from_views:
            backbone.consume(ViewsOfFeed(store=ViewStore(tables=backbone.tables), jobs=rooms.jobs))
        backbone.consume(AvatarsOfPeople(images=rooms.images))
        self.services = (*served_services(rooms, permits=process.permits), job_service(rooms.jobs), backbone.operator_service())
        self.dependencies = backbone.dependencies

    async def stop(self) -> None:
        """Finish and close: what a loop leaves undone is noted, and the next start goes on with it."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._hints is not None:
            await self._hints.close()
        if self._jobs is not None:
            await self._jobs.stop()
        if self._backbone is not None:
            await self._backbone.close()
        if self._blobs is not None:
            await self._blobs.close()


def build(settings: VideoSettings) -> VideoApp:
    """The app of one process; nothing is opened yet."""
    return VideoApp(process=Process.open(settings), settings=settings)
