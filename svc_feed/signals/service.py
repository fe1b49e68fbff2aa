"""The gRPC face of signals."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.feed.v1 import signal_service_pb2 as pb
from clipmesh.feed.v1 import signal_service_pb2_grpc as rpc
from clipmesh.video.v1 import video_service_pb2 as video_pb
from clipmesh.video.v1 import video_service_pb2_grpc as video_rpc

from svc_feed.signals.actions import Offer, SignalActions
from svc_feed.signals.rules import Report
from svc_feed.viewers import current_watcher

Context = grpc.aio.ServicerContext[Any, Any]


class SignalServicer(rpc.SignalServiceServicer):
    """Parse, call, answer."""

    def __init__(self, *, actions: SignalActions, videos: video_rpc.VideoServiceStub) -> None:
        self._actions = actions
        self._videos = videos

    async def ReportWatch(self, request: pb.ReportWatchRequest, context: Context) -> pb.ReportWatchResponse:  # noqa: N802
        reports = [
            (report.view_token, Report(event_id=report.event_id, watched_ms=report.watched_ms, loops=report.loops, at_ms=report.at_ms))
            for report in request.reports
        ]
        return pb.ReportWatchResponse(outcomes=await self._actions.report(current_watcher(), reports))

    async def MintViewTokens(self, request: pb.MintViewTokensRequest, context: Context) -> pb.MintViewTokensResponse:  # noqa: N802
        watcher = current_watcher()
        seen = await self._videos.BatchGetVideos(video_pb.BatchGetVideosRequest(video_ids=list(dict.fromkeys(request.video_ids))))
        tokens = [
            pb.ViewToken(
                video_id=video.video_id,
                view_token=self._actions.mint(
                    Offer(
                        video_id=video.video_id,
                        creator_id=video.creator_id,
                        duration_ms=video.duration_ms,
                        surface=request.surface,
                        category=video.category,
                        hashtags=" ".join(video.hashtags),
                    ),
                    watcher,
                ),
            )
            for video in seen.videos
        ]
        return pb.MintViewTokensResponse(tokens=tokens)

    async def BatchGetViewCounts(self, request: pb.BatchGetViewCountsRequest, context: Context) -> pb.BatchGetViewCountsResponse:  # noqa: N802
        counts = await self._actions.view_counts(request.video_ids)
        return pb.BatchGetViewCountsResponse(
            counts=[pb.ViewCount(video_id=video_id, views=views) for video_id, views in zip(request.video_ids, counts, strict=True)]
        )
