"""What the feed service is made of, over stores that somebody else opened."""

from __future__ import annotations

from collections.abc import Sequence

from clipmesh.feed.v1 import feed_service_pb2, feed_service_pb2_grpc, signal_service_pb2, signal_service_pb2_grpc
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.events.shapes import Consumer
from mesh.server import ANYONE, Access, Priority, ServedService
from mesh.stores.tables.port import Tables
from mesh.telemetry import Telemetry
from svc_feed.affinities.actions import Affinities
from svc_feed.affinities.consumers import Comments, Engagements
from svc_feed.affinities.store import AffinityStore
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement
from svc_feed.consents.actions import Withdrawals
from svc_feed.consents.consumers import ConsentsWithdrawn
from svc_feed.consents.store import WithdrawalStore
from svc_feed.consents.tables import Withdrawal
from svc_feed.foryou.actions import ForYouActions
from svc_feed.foryou.consumers import FeedVideos
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.cursors import Cursors
from svc_feed.foryou.effects import Impressions, SideEffect
from svc_feed.foryou.filters import Barred, Filter, NotVisible, Own, Played, Seen
from svc_feed.foryou.hydrators import History, Hydrator
from svc_feed.foryou.people import PeopleOfSocial
from svc_feed.foryou.pipeline import Pipeline
from svc_feed.foryou.scorers import Explore, Freshness, Language, Quality, Scorer, SeenLongAgo, Taste
from svc_feed.foryou.service import FeedServicer
from svc_feed.foryou.sources import Fresh, Popular, Source
from svc_feed.foryou.store import ForYouStore
from svc_feed.foryou.tables import FeedVideo, ServedPage
from svc_feed.settings import FeedSettings
from svc_feed.signals.actions import SignalActions
from svc_feed.signals.service import SignalServicer
from svc_feed.signals.store import SignalStore
from svc_feed.signals.tables import LedgerEntry, ReportedEvent, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import ViewTokens
from svc_feed.signed import Signer

ROW_TYPES = (FeedVideo, ServedPage, LedgerEntry, ReportedEvent, WatchedVideo, ViewerPace, ViewerComment, ViewerEngagement, Withdrawal)

FEED_ACCESS = {"GetForYou": Access(callers={"gateway"}, viewer=ANYONE, priority=Priority.FEED, max_deadline_ms=2_000)}
SIGNAL_ACCESS = {
    "ReportWatch": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.WRITE),
    "MintViewTokens": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
    "BatchGetViewCounts": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
}


class Feed:
    """The feed service without its process: corpus, pipeline, servicers and consumer."""

    def __init__(
        self,
        *,
        tables: Tables,
        events: EventMaker,
        clock: Clock,
        telemetry: Telemetry,
        token_key: bytes,
        videos: VideoServiceStub,
        graph: GraphServiceStub,
        settings: FeedSettings,
    ) -> None:
        signer = Signer(token_key)
        stage_s = settings.feed_stage_ms / 1000
        self.corpus = Corpus()
        self.consumer = FeedVideos(corpus=self.corpus)
        engaged, withdrawals = AffinityStore(tables=tables), Withdrawals(store=WithdrawalStore(tables=tables))
        self.affinities = Affinities(store=engaged, withdrawals=withdrawals, clock=clock)
        self.sources: list[Source] = [Fresh(corpus=self.corpus), Popular(corpus=self.corpus)]
        self.filters: list[Filter] = [one(corpus=self.corpus) for one in (NotVisible, Own, Barred, Played, Seen)]
        self.scorers: list[Scorer] = [one(corpus=self.corpus) for one in (Quality, Freshness, Taste, Language, SeenLongAgo, Explore)]
        self._store = ForYouStore(tables=tables)
        self._signals = SignalActions(
            store=SignalStore(tables=tables),
            tokens=ViewTokens(signer=signer),
            pseudonym=signer.pseudonym,
            events=events,
            clock=clock,
            telemetry=telemetry,
            tell_s=stage_s,
            withdrawals=withdrawals,
            on_tally=self.corpus.apply_tally,
        )
        self.consumers: Sequence[Consumer] = (
            self.consumer,
            Engagements(store=engaged, withdrawals=withdrawals),
            Comments(store=engaged, withdrawals=withdrawals),
            ConsentsWithdrawn(withdrawals=withdrawals, keeping=(self.affinities, self._signals)),
        )
        self.hydrators: list[Hydrator] = [History(signals=self._signals)]
        self.effects: list[SideEffect] = [Impressions(signals=self._signals)]
        for_you = ForYouActions(
            store=self._store,
            corpus=self.corpus,
            pipeline=Pipeline(
                corpus=self.corpus,
                hydrators=self.hydrators,
                sources=self.sources,
                filters=self.filters,
                scorers=self.scorers,
                people=PeopleOfSocial(graph=graph),
                stage_s=stage_s,
                telemetry=telemetry,
            ),
            effects=self.effects,
            signals=self._signals,
            cursors=Cursors(signer=signer),
            clock=clock,
            telemetry=telemetry,
            source_bits={source.name: source.bit for source in self.sources},
            stage_s=stage_s,
            budget_s=settings.feed_budget_ms / 1000,
        )
        self.services: Sequence[ServedService] = (
            ServedService(
                add_to_server=feed_service_pb2_grpc.add_FeedServiceServicer_to_server,
                servicer=FeedServicer(actions=for_you),
                descriptor=feed_service_pb2.DESCRIPTOR.services_by_name["FeedService"],
                access=FEED_ACCESS,
            ),
            ServedService(
                add_to_server=signal_service_pb2_grpc.add_SignalServiceServicer_to_server,
                servicer=SignalServicer(actions=self._signals, videos=videos),
                descriptor=signal_service_pb2.DESCRIPTOR.services_by_name["SignalService"],
                access=SIGNAL_ACCESS,
            ),
        )

    async def fill(self) -> None:
        """Read the whole corpus into memory, before the first request."""
        videos = [video async for page in self._store.all_videos() for video in page]
        tallies = await self._signals.tallies([video.video_id for video in videos if video.recommendable])
        self.corpus.load(videos, tallies)

    async def refresh(self) -> None:
        """Take what is newer in the tables than in memory, a page at a time so that requests go on."""
        async for videos in self._store.all_videos():
            for video in videos:
                self.corpus.apply(video)
            for tally in await self._signals.tallies([video.video_id for video in videos if video.recommendable]):
                self.corpus.apply_tally(tally)
