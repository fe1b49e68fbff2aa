"""Between the nouns of signals and the protos, one function each way."""

from __future__ import annotations

from collections.abc import Sequence

from clipmesh.feed.v1 import events_pb2
from clipmesh.feed.v1 import signal_service_pb2 as pb
from clipmesh.video.v1 import video_service_pb2

from svc_feed.signals.rules import Counted, Report
from svc_feed.signals.tokens import Offer, ViewToken
from svc_feed.viewers import Watcher


def report_from_proto(report: pb.WatchReport) -> Report:
    """What the client tells of one stretch, without the token."""
    return Report(event_id=report.event_id, watched_ms=report.watched_ms, loops=report.loops, paused=report.paused, at_ms=report.at_ms)


def offer_from_proto(video: video_service_pb2.Video, *, surface: int, slot: int) -> Offer:
    """A video that is shown outside the feed."""
    return Offer(
        video_id=video.video_id,
        creator_id=video.creator_id,
        duration_ms=video.duration_ms,
        surface=surface,
        slot=slot,
        category=video.category,
        hashtags=" ".join(video.hashtags),
    )


def impressions_to_proto(offers: Sequence[Offer], watcher: Watcher) -> events_pb2.ImpressionServed:
    """What was offered together, at least one; without consent it names nobody, and nothing by which a watch would lead to somebody."""
    first, history_id = offers[0], watcher.history_id
    return events_pb2.ImpressionServed(
        feed_session_id=first.session,
        viewer_id=history_id,
        policy=first.model_version,
        surface=pb.Surface.ValueType(first.surface),
        impressions=[
            events_pb2.Impression(
                video_id=offer.video_id,
                slot=offer.slot,
                source_mask=offer.source_mask,
                selection_probability=offer.selection_probability,
                spare=offer.spare,
                token_id=offer.token_id if history_id else "",
            )
            for offer in offers
        ],
    )


def watch_to_proto(token: ViewToken, report: Report, counted: Counted, watcher: Watcher) -> events_pb2.WatchRecorded:
    """What a report added; without consent it names nobody."""
    return events_pb2.WatchRecorded(
        video_id=token.video_id,
        viewer_id=watcher.history_id,
        watched_ms=counted.watched_ms,
        duration_ms=token.duration_ms,
        loops=counted.loops,
        surface=pb.Surface.ValueType(token.surface),
        counted_view=counted.makes_view,
        at_ms=report.at_ms,
        paused=report.paused,
        token_id=token.token_id if watcher.history_id else "",
    )


def view_token_to_proto(video_id: int, view_token: str) -> pb.ViewToken:
    """The token of one video."""
    return pb.ViewToken(video_id=video_id, view_token=view_token)


def view_count_to_proto(video_id: int, views: int) -> pb.ViewCount:
    """The views of one video."""
    return pb.ViewCount(video_id=video_id, views=views)
