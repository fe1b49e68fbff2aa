"""What many did with a video, also as it changes, and what the viewer did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from operator import attrgetter

import strawberry
from clipmesh.social.v1 import engagement_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.errors import Fault, is_away
from gateway.execution.fields import OfMessage, part
from gateway.schema.outcomes import ask, required
from gateway.schema.scalars import BigInt, big, id_of, number_of
from gateway.schema.watching import at_least_every
from mesh.errors import MeshError

COUNTERS_TOPIC = "social.counters"
LOOK_AGAIN_S = 5.0
"""How long a watcher of counters waits for a hint before it looks by itself."""
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
    approximate: bool = part(
        attrgetter("approximate"), description="True while so much happens that the counts lag behind, at most a minute."
    )


@strawberry.type
class EngagementSubscription:
    @strawberry.subscription(description="The counts of a video now, then whenever they changed; the newest only, at most two a second.")
    async def video_counters(self, info: GatewayInfo, video_id: strawberry.ID) -> AsyncGenerator[VideoCounters, None]:
        number = number_of(video_id)
        told: pb.Counters | None = None
        with info.context.hints.watch(COUNTERS_TOPIC, str(number)) as changes:
            async for _ in at_least_every(LOOK_AGAIN_S, changes):
                try:
                    with info.context.acting():
                        counters = await _counters(info, number, look=told is None)
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


async def _counters(info: GatewayInfo, video_id: int, *, look: bool) -> pb.Counters:
    if look and required(await info.context.loaders.video.load(video_id)) is None:
        raise Fault("NOT_FOUND", "there is no such video for this viewer")
    answer = await ask(info.context.clients.engagement.BatchGetCounters(pb.BatchGetCountersRequest(video_ids=[video_id])))
    return answer.counters[0]
