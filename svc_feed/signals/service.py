"""The gRPC face of signals."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.feed.v1 import signal_service_pb2 as pb
from clipmesh.feed.v1 import signal_service_pb2_grpc as rpc
from clipmesh.video.v1 import video_service_pb2 as video_pb
from clipmesh.video.v1 import video_service_pb2_grpc as video_rpc

from svc_feed.signals.actions import SignalActions
from svc_feed.signals.convert import offer_from_proto, report_from_proto, view_count_to_proto, view_token_to_proto
from svc_feed.viewers import current_watcher

Context = grpc.aio.ServicerContext[Any, Any]


class SignalServicer(rpc.SignalServiceServicer):
    """Parse, call, answer."""

    def __init__(self, *, actions: SignalActions, videos: video_rpc.VideoServiceStub) -> None:
        self._actions = actions
        self._videos = videos

    async def ReportWatch(self, request: pb.ReportWatchRequest, context: Context) -> pb.ReportWatchResponse:  # noqa: N802
        reports = [(report.view_token, report_from_proto(report)) for report in request.reports]
        return pb.ReportWatchResponse(outcomes=await self._actions.report(current_watcher(), reports))

    async def MintViewTokens(self, request: pb.MintViewTokensRequest, context: Context) -> pb.MintViewTokensResponse:  # noqa: N802
        seen = await self._videos.BatchGetVideos(video_pb.BatchGetVideosRequest(video_ids=list(dict.fromkeys(request.video_ids))))
        offers = [offer_from_proto(video, surface=request.surface, slot=slot) for slot, video in enumerate(seen.videos)]
        tokens = await self._actions.offer(current_watcher(), offers)
        return pb.MintViewTokensResponse(
            tokens=[view_token_to_proto(offer.video_id, token) for offer, token in zip(offers, tokens, strict=True)]
        )

    async def BatchGetViewCounts(self, request: pb.BatchGetViewCountsRequest, context: Context) -> pb.BatchGetViewCountsResponse:  # noqa: N802
        counts = await self._actions.view_counts(request.video_ids)
        return pb.BatchGetViewCountsResponse(
            counts=[view_count_to_proto(video_id, views) for video_id, views in zip(request.video_ids, counts, strict=True)]
        )
