"""The gRPC face of For You."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from clipmesh.feed.v1 import feed_service_pb2 as pb
from clipmesh.feed.v1 import feed_service_pb2_grpc as rpc

from svc_feed.foryou.actions import ForYouActions, Item
from svc_feed.viewers import current_watcher

Context = grpc.aio.ServicerContext[Any, Any]


class FeedServicer(rpc.FeedServiceServicer):
    """Parse, call, answer."""

    def __init__(self, *, actions: ForYouActions) -> None:
        self._actions = actions

    async def GetForYou(self, request: pb.GetForYouRequest, context: Context) -> pb.GetForYouResponse:  # noqa: N802
        page = await self._actions.page(current_watcher(), page_size=request.page_size, after=request.after)
        return pb.GetForYouResponse(
            items=_items(page.items),
            reserve=_items(page.reserve),
            feed_session_id=page.session_id,
            served_by=page.policy,
            degraded=page.degraded,
            has_more=page.has_more,
            stages=[
                pb.StageCount(
                    stage=count.stage, count_in=count.count_in, count_out=count.count_out, took_us=count.took_us, failed=count.failed
                )
                for count in page.counts
            ],
        )


def _items(items: Iterable[Item]) -> list[pb.FeedItem]:
    return [
        pb.FeedItem(video_id=item.video.video_id, view_token=item.view_token, cursor=item.cursor, sources=item.sources, score=item.score)
        for item in items
    ]
