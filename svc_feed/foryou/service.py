"""The gRPC face of For You."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.feed.v1 import feed_service_pb2 as pb
from clipmesh.feed.v1 import feed_service_pb2_grpc as rpc

from svc_feed.foryou.actions import ForYouActions
from svc_feed.foryou.convert import page_to_proto
from svc_feed.viewers import current_watcher

Context = grpc.aio.ServicerContext[Any, Any]


class FeedServicer(rpc.FeedServiceServicer):
    """Parse, call, answer."""

    def __init__(self, *, actions: ForYouActions) -> None:
        self._actions = actions

    async def GetForYou(self, request: pb.GetForYouRequest, context: Context) -> pb.GetForYouResponse:  # noqa: N802
        return page_to_proto(await self._actions.page(current_watcher(), page_size=request.page_size, after=request.after))
