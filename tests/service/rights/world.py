"""The rights service on real tables behind real gRPC, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from clipmesh.common.v1 import viewer_pb2
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.rights.v1 import publication_service_pb2 as pb
from clipmesh.rights.v1 import review_service_pb2 as review_pb
from clipmesh.rights.v1.publication_service_pb2_grpc import PublicationServiceStub
from clipmesh.rights.v1.review_service_pb2_grpc import ReviewServiceStub

from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.ids import NodeLease, open_ids
from mesh.pages import PageTokens
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, serve, viewer
from svc_rights.publication.policy import load
from svc_rights.publication.tables import VerdictKind
from svc_rights.wiring import ROW_TYPES, Rights, wire

R = TypeVar("R")

ALLOW, LIMIT, REVIEW, BLOCK = pb.VERDICT_KIND_ALLOW, pb.VERDICT_KIND_LIMIT, pb.VERDICT_KIND_REVIEW, pb.VERDICT_KIND_BLOCK
MODERATOR = 900
REVIEW_WORDS = "fake passport"
"""A caption that a moderator has to see."""


@dataclass(slots=True, kw_only=True)
class World:
    """What a test holds."""

    clock: FakeClock
    tables: Tables
    served: Served
    app: Rights

    async def assess(self, video_id: int = 1, **fields: object) -> pb.Verdict:
        """The verdict as the video service gets it."""
        stub = self.served.stub(PublicationServiceStub, caller="video")
        return (await stub.AssessPublication(facts(video_id, **fields))).verdict

    async def verdicts(self, *video_ids: int) -> list[pb.Verdict]:
        """Newest verdicts."""
        stub = self.served.stub(PublicationServiceStub, caller="gateway")
        return list((await stub.BatchGetVerdicts(pb.BatchGetVerdictsRequest(video_ids=video_ids))).verdicts)

    def publication(self, *roles: viewer_pb2.Role.ValueType, user_id: int = MODERATOR) -> PublicationServiceStub:
        """PublicationService as the gateway calls it for a person."""
        return self.served.stub(PublicationServiceStub, viewer=viewer(user_id=user_id, roles=roles))

    def review(self, *roles: viewer_pb2.Role.ValueType, user_id: int = MODERATOR) -> ReviewServiceStub:
        """ReviewService as the gateway calls it for a person, a moderator unless roles are named."""
        return self.served.stub(ReviewServiceStub, viewer=viewer(user_id=user_id, roles=roles or (viewer_pb2.ROLE_MODERATOR,)))

    async def queue(self, state: review_pb.ReviewState.ValueType = review_pb.REVIEW_STATE_OPEN) -> list[review_pb.Review]:
        """The first page of a list."""
        return list((await self.review().ListReviews(review_pb.ListReviewsRequest(state=state, page_size=100))).reviews)

    async def decide(self, review_id: int, decision: pb.VerdictKind.ValueType, reason: str = "seen") -> review_pb.Review:
        """The review after a moderator decided."""
        request = review_pb.DecideReviewRequest(review_id=review_id, decision=decision, reason=reason)
        return (await self.review().DecideReview(request)).review

    async def rows(self, row_type: type[R]) -> list[R]:
        """All rows of a table."""
        return list((await self.tables.walk(row_type)).rows)

    async def events(self) -> list[EventEnvelope]:
        """Every event in the outbox, in the order of ids."""
        found = []
        for shard in range(self.tables.outbox_shards):
            page = await self.tables.read_outbox(shard)
            found += [EventEnvelope.FromString(entry.envelope) for entry in page.entries]
        return sorted(found, key=lambda envelope: envelope.event_id)


def facts(video_id: int = 1, **fields: object) -> pb.AssessPublicationRequest:
    """A harmless publication of a trusted adult."""
    values: dict[str, object] = {
        "video_id": video_id,
        "creator_id": 70,
        "publication_version": 1,
        "caption": "sunset over the harbour",
        "hashtags": ["sunset"],
        "language": "en",
        "classified": True,
        "account_level": pb.ACCOUNT_LEVEL_GOOD,
        "age_band": viewer_pb2.AGE_BAND_ADULT,
        **fields,
    }
    return pb.AssessPublicationRequest(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def open_world(folder: Path, *, unclassified: VerdictKind = VerdictKind.ALLOW) -> AsyncIterator[World]:
    """The service with the built-in policy."""
    clock = FakeClock()
    row_types = (*ROW_TYPES, NodeLease, *EVENT_TABLES)
    tables = await open_tables(f"sqlite:///{folder}", service="rights", row_types=row_types, clock=clock)
    ids = await open_ids(tables, service="rights", clock=clock, lease_ms=10**12)
    app = wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=EventMaker(producer="rights", next_id=ids.next, clock=clock),
        policy=load("", unclassified=unclassified),
        tokens=PageTokens(b"t" * 32),
    )
    await app.block_list.load()
    try:
        async with serve(*app.services, service="rights", clock=clock) as served:
            yield World(clock=clock, tables=tables, served=served, app=app)
    finally:
        await ids.close()
        await tables.close()
