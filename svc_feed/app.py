"""Wires the feed service: stores, the pipeline's stages in order, servicers, consumers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from clipmesh.feed.v1 import feed_service_pb2, feed_service_pb2_grpc, signal_service_pb2, signal_service_pb2_grpc
from clipmesh.video.v1 import video_service_pb2_grpc

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.server import ANYONE, Access, Priority, ServedService
from mesh.stores.tables.port import TablesError
from svc_feed.foryou.actions import ForYouActions
from svc_feed.foryou.consumers import FeedVideos
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.cursors import Cursors
from svc_feed.foryou.filters import NotVisible, Own, Played, Seen
from svc_feed.foryou.hydrators import History
from svc_feed.foryou.pipeline import Pipeline
from svc_feed.foryou.scorers import Explore, Freshness, Language, Quality, SeenLongAgo, Taste
from svc_feed.foryou.service import FeedServicer
from svc_feed.foryou.sources import Fresh, Popular
from svc_feed.foryou.store import ForYouStore
from svc_feed.foryou.tables import FeedVideo, ServedPage
from svc_feed.settings import FeedSettings
from svc_feed.signals.actions import SignalActions
from svc_feed.signals.service import SignalServicer
from svc_feed.signals.store import SignalStore
from svc_feed.signals.tables import LedgerEntry, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import ViewTokens
from svc_feed.signed import Signer

_log = logging.getLogger("clipmesh.feed")

ROW_TYPES = (FeedVideo, ServedPage, LedgerEntry, WatchedVideo, ViewerPace)

FEED_ACCESS = {"GetForYou": Access(callers={"gateway"}, viewer=ANYONE, priority=Priority.FEED, max_deadline_ms=2_000)}
SIGNAL_ACCESS = {
    "ReportWatch": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.WRITE),
    "MintViewTokens": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
    "BatchGetViewCounts": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
}


class FeedApp:
    """The feed service as one process."""

    def __init__(self, *, process: Process, settings: FeedSettings) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._corpus = Corpus()
        self._backbone: Backbone | None = None

    async def start(self) -> None:
        """Open the stores, fill the memory, begin to fold video's events."""
        settings, process = self._settings, self.process
        backbone = await Backbone.open(process, tables=settings.tables, redis=settings.redis, events=settings.events, row_types=ROW_TYPES)
        self._backbone = backbone
        signer = Signer(process.secrets.named("feed_token_key"))
        signal_store, foryou_store = SignalStore(tables=backbone.tables), ForYouStore(tables=backbone.tables)
        signals = SignalActions(
            store=signal_store,
            tokens=ViewTokens(signer=signer),
            events=backbone.events,
            clock=process.clock,
            on_tally=self._corpus.apply_tally,
        )
        foryou = self._for_you(backbone, foryou_store, signals, signer)
        await self._fill(foryou_store, signal_store)
        videos = process.channels.stub(video_service_pb2_grpc.VideoServiceStub, "video")
        self.services = (
            ServedService(
                add_to_server=feed_service_pb2_grpc.add_FeedServiceServicer_to_server,
                servicer=FeedServicer(actions=foryou, budget_s=settings.feed_budget_ms / 1000),
                descriptor=feed_service_pb2.DESCRIPTOR.services_by_name["FeedService"],
                access=FEED_ACCESS,
            ),
            ServedService(
                add_to_server=signal_service_pb2_grpc.add_SignalServiceServicer_to_server,
                servicer=SignalServicer(actions=signals, videos=videos),
                descriptor=signal_service_pb2.DESCRIPTOR.services_by_name["SignalService"],
                access=SIGNAL_ACCESS,
            ),
        )
        self.dependencies = backbone.dependencies
        backbone.consume(FeedVideos(corpus=self._corpus))
        backbone.run(self._refresh(foryou_store, signal_store), name="refresh-corpus")

    def _for_you(self, backbone: Backbone, store: ForYouStore, signals: SignalActions, signer: Signer) -> ForYouActions:
        corpus = self._corpus
        sources = (Fresh(corpus=corpus), Popular(corpus=corpus))
        pipeline = Pipeline(
            hydrators=(History(signals=signals),),
            sources=sources,
            filters=(NotVisible(), Own(), Played(), Seen()),
            scorers=(Quality(corpus=corpus), Freshness(), Taste(), Language(), SeenLongAgo(), Explore()),
            stage_s=self._settings.feed_stage_ms / 1000,
        )
        return ForYouActions(
            store=store,
            corpus=corpus,
            pipeline=pipeline,
            signals=signals,
            cursors=Cursors(signer=signer),
            events=backbone.events,
            clock=self.process.clock,
            source_bits={source.name: source.bit for source in sources},
        )

    async def _fill(self, videos: ForYouStore, signals: SignalStore) -> None:
        self._corpus.load(await videos.all_videos())
        async for tally in signals.all_tallies():
            self._corpus.apply_tally(tally)

    async def _refresh(self, videos: ForYouStore, signals: SignalStore) -> None:
        """Heal what another process wrote or an interrupted handler left out."""
        while True:
            await asyncio.sleep(self._settings.feed_refresh_s)
            try:
                await self._fill(videos, signals)
            except TablesError as error:
                _log.warning("the corpus was not refreshed", extra={"error": type(error).__name__})

    async def stop(self) -> None:
        """Finish and close."""
        if self._backbone is not None:
            await self._backbone.close()


def build(settings: FeedSettings) -> FeedApp:
    """The app of one process; nothing is opened yet."""
    return FeedApp(process=Process.open(settings), settings=settings)
