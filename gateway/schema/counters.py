"""What many did with a video, also as it changes, and what the viewer did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from operator import attrgetter

import strawberry
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.video.v1 import video_service_pb2

from gateway.context import GatewayInfo
from gateway.errors import Fault, is_away
from gateway.execution.fields import OfMessage, part
from gateway.schema.outcomes import ask
from gateway.schema.scalars import BigInt, big, id_of, number_of
from gateway.schema.watching import at_least_every
from mesh.errors import MeshError

COUNTERS_TOPIC = "social.counters"
LOOK_AGAIN_S = 5.0
"""How long a watcher of counters waits for a hint before it looks by itself, and for how long it relies on having seen the video."""
CALM_S = 0.5
"""How long it waits after a look: what moves meanwhile is one change."""


@strawberry.type(description="What the viewer did with a video.")
class ViewerState(OfMessage):
    message: strawberry.Private[pb.ViewerState]
    liked: bool = part(attrgetter("liked"))
    saved: bool = part(attrgetter("saved"))
    reposted: bool = part(attrgetter("reposted"))


@strawberry.type(description="How many did something with a video.")
class VideoCounters(OfMessage):
    message: strawberry.Private[pb.Counters]
    video_id: strawberry.ID = part(lambda counters: id_of(counters.video_id))
    like_count: BigInt = part(lambda counters: big(counters.likes))
    save_count: BigInt = part(lambda counters: big(counters.saves))
    share_count: BigInt = part(lambda counters: big(counters.shares), description="Every share, also several of one person.")
    repost_count: BigInt = part(lambda counters: big(counters.reposts))
    comment_count: BigInt = part(lambda counters: big(counters.comments), description="Published comments, replies included.")
    approximate: bool = part(
        attrgetter("approximate"), description="True while so much happens that the counts lag behind, at most a minute."
    )


@strawberry.type
class EngagementSubscription:
    @strawberry.subscription(
        description="The counts of a video now, then whenever they changed; the newest only, at most two a second. "
        "Ends when the viewer may no longer see the video."
    )
    async def video_counters(self, info: GatewayInfo, video_id: strawberry.ID) -> AsyncGenerator[VideoCounters, None]:
        number = number_of(video_id)
        told: pb.Counters | None = None
        loop = asyncio.get_running_loop()
        seen_at_s: float | None = None
        with info.context.hints.watch(COUNTERS_TOPIC, str(number)) as changes:
            async for _ in at_least_every(LOOK_AGAIN_S, changes):
                now_s = loop.time()
                try:
                    with info.context.acting():
                        # A little early, since the next round may come right before the time is over.
                        if seen_at_s is None or now_s - seen_at_s >= LOOK_AGAIN_S - CALM_S:
                            await _see(info, number)
                            seen_at_s = now_s
                        counters = await _counters(info, number)
                except Fault as fault:
                    # Whoever has heard something waits until the service is back; the first look tells of it.
                    cause = fault.__cause__
                    if told is None or not isinstance(cause, MeshError) or not is_away(cause):
                        raise
                    continue
                if counters != told:
                    told = counters
                    yield VideoCounters.of(counters)
                await asyncio.sleep(CALM_S)


async def _see(info: GatewayInfo, video_id: int) -> None:
    """Raises the fault NOT_FOUND when the video is not there for this viewer; the operation's loader would answer what it knew at first."""
    request = video_service_pb2.BatchGetVideosRequest(video_ids=[video_id])
    if not (await ask(info.context.clients.videos.BatchGetVideos(request))).videos:
        raise Fault("NOT_FOUND", "there is no such video for this viewer")


async def _counters(info: GatewayInfo, video_id: int) -> pb.Counters:
    answer = await ask(info.context.clients.engagement.BatchGetCounters(pb.BatchGetCountersRequest(video_ids=[video_id])))
    return answer.counters[0]
