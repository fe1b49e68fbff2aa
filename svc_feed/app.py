"""Wires the feed service as a process: stores, servicers, consumers, the memory's refreshing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.server import ServedService
from mesh.stores.tables.port import TablesError
from svc_feed.settings import FeedSettings
from svc_feed.wiring import ROW_TYPES, Feed

_log = logging.getLogger("clipmesh.feed")


class FeedApp:
    """The feed service as one process."""

    def __init__(self, *, process: Process, settings: FeedSettings) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._backbone: Backbone | None = None

    async def start(self) -> None:
        """Open the stores, fill the memory, begin to fold video's and social's events."""
        settings, process = self._settings, self.process
        backbone = await Backbone.open(
            process, tables=settings.tables, redis=settings.redis, events=settings.events, blobs=settings.blobs, row_types=ROW_TYPES
        )
        self._backbone = backbone
        await backbone.archive(settings, topics=("feed",))
        feed = Feed(
            tables=backbone.tables,
            events=backbone.events,
            clock=process.clock,
            telemetry=process.telemetry,
            token_key=process.secrets.named("feed_token_key"),
            videos=process.channels.stub(VideoServiceStub, "video"),
            graph=process.channels.stub(GraphServiceStub, "social"),
            settings=settings,
        )
        await feed.fill()
        self.services = (*feed.services, backbone.operator_service())
        self.dependencies = backbone.dependencies
        for consumer in feed.consumers:
            backbone.consume(consumer)
        backbone.run(self._refresh(feed), name="refresh-corpus")

    async def _refresh(self, feed: Feed) -> None:
        """Take over what other processes wrote, and what was written while this one heard no answer."""
        while True:
            await asyncio.sleep(self._settings.feed_refresh_s)
            try:
                await feed.refresh()
            except TablesError as error:
                _log.warning("the corpus was not refreshed", extra={"error_type": type(error).__name__})

    async def stop(self) -> None:
        """Finish and close."""
        if self._backbone is not None:
            await self._backbone.close()


def build(settings: FeedSettings) -> FeedApp:
    """The app of one process; nothing is opened yet."""
    return FeedApp(process=Process.open(settings), settings=settings)
