"""For You and what was watched of it."""

from __future__ import annotations

import strawberry
from clipmesh.feed.v1 import feed_service_pb2, signal_service_pb2

from gateway.context import GatewayInfo
from gateway.execution.costs import Cost, ListSize
from gateway.schema.enums import WatchOutcome
from gateway.schema.outcomes import UserError, ask, attempt, required, user_errors_field
from gateway.schema.pages import PageInfo, page_info, page_size
from gateway.schema.scalars import DateTime
from gateway.schema.videos import Video

MOST_ITEMS = 20


@strawberry.type(description="One slot of the feed.")
class FeedEdge:
    cursor: str = strawberry.field(description="Ask with the cursor of what was played last; what came after it returns to the pool.")
    node: Video
    view_token: str = strawberry.field(description="Proof for reportWatch.")
    sources: list[str] = strawberry.field(description="What found the clip.")


@strawberry.type(description="A page of the feed.")
class FeedConnection:
    edges: list[FeedEdge]
    page_info: PageInfo
    feed_session_id: str
    served_by: str = strawberry.field(description="The policy that made the page: contextual, personal, rewatch.")
    degraded: list[str] = strawberry.field(description="Parts that were missing.")


@strawberry.type
class FeedQuery:
    @strawberry.field(
        description="The next clips for this viewer.",
        directives=[Cost(weight="50"), ListSize(assumed_size=10, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def for_you(self, info: GatewayInfo, first: int = 10, after: str | None = None) -> FeedConnection | None:
        size = page_size(first, most=MOST_ITEMS)
        request = feed_service_pb2.GetForYouRequest(page_size=size, after=after or "")
        page = await ask(info.context.clients.feed.GetForYou(request))
        wanted = [*page.items, *page.reserve]
        found = await info.context.loaders.video.load_many([item.video_id for item in wanted])
        videos = {video.video_id: video for one in found if (video := required(one)) is not None}
        # What can no longer be shown is topped up from the reserve, in order.
        playable = [item for item in wanted if item.video_id in videos][: len(page.items)]
        cursors = [item.cursor for item in playable]
        return FeedConnection(
            edges=[
                FeedEdge(cursor=item.cursor, node=Video.of(videos[item.video_id]), view_token=item.view_token, sources=list(item.sources))
                for item in playable
            ],
            page_info=page_info(cursors, has_next=page.has_more, after=after),
            feed_session_id=page.feed_session_id,
            served_by=page.served_by,
            degraded=list(page.degraded),
        )


@strawberry.input(description="One stretch of watching.")
class WatchReportInput:
    event_id: strawberry.ID = strawberry.field(description="A UUID of the client; counted once.")
    view_token: str
    watched_ms: int
    loops: int
    paused: bool
    at: DateTime


@strawberry.input(description="What was watched, at most 100 stretches.")
class ReportWatchInput:
    reports: list[WatchReportInput]


@strawberry.type(description="One outcome a report, in their order.")
class ReportWatchPayload:
    outcomes: list[WatchOutcome]
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class FeedMutation:
    @strawberry.mutation(description="Tell what was watched; safe to repeat.")
    async def report_watch(self, info: GatewayInfo, input: ReportWatchInput) -> ReportWatchPayload | None:
        request = signal_service_pb2.ReportWatchRequest(
            reports=[
                signal_service_pb2.WatchReport(
                    event_id=one.event_id,
                    view_token=one.view_token,
                    watched_ms=one.watched_ms,
                    loops=one.loops,
                    paused=one.paused,
                    at_ms=one.at,
                )
                for one in input.reports
            ]
        )
        answer, errors = await attempt(info.context.clients.signals.ReportWatch(request))
        outcomes = [WatchOutcome(outcome) for outcome in answer.outcomes] if answer is not None else []
        return ReportWatchPayload(outcomes=outcomes, user_errors=errors)
