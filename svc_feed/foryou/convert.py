"""Between the nouns of For You and the protos, one function each way."""

from __future__ import annotations

from clipmesh.feed.v1 import feed_service_pb2 as pb
from clipmesh.video.v1 import events_pb2, video_service_pb2

from svc_feed.foryou.actions import ForYouPage, Item
from svc_feed.foryou.stages import Count
from svc_feed.foryou.tables import FeedVideo


def video_from_proto(video: video_service_pb2.Video, *, version: int) -> FeedVideo:
    """The copy of a video as of a version of it."""
    return FeedVideo(
        video_id=video.video_id,
        creator_id=video.creator_id,
        duration_ms=video.duration_ms,
        category=video.category,
        hashtags=" ".join(video.hashtags),
        language=video.language,
        sound_id=video.sound_id,
        published_at_ms=video.published_at_ms,
        recommendable=video.recommendable,
        version=version,
    )


def withdrawn_from_proto(withdrawn: events_pb2.VideoWithdrawn, *, version: int) -> FeedVideo:
    """What is left of a video that went: never a candidate."""
    return FeedVideo(video_id=withdrawn.video_id, creator_id=withdrawn.creator_id, version=version)


def item_to_proto(item: Item) -> pb.FeedItem:
    """One slot."""
    return pb.FeedItem(video_id=item.video_id, view_token=item.view_token, cursor=item.cursor, sources=item.sources, score=item.score)


def count_to_proto(count: Count) -> pb.StageCount:
    """What one stage did."""
    return pb.StageCount(stage=count.stage, count_in=count.count_in, count_out=count.count_out, took_us=count.took_us, failed=count.failed)


def page_to_proto(page: ForYouPage) -> pb.GetForYouResponse:
    """One page."""
    return pb.GetForYouResponse(
        items=[item_to_proto(item) for item in page.items],
        reserve=[item_to_proto(item) for item in page.reserve],
        feed_session_id=page.feed_session_id,
        served_by=page.served_by,
        degraded=page.degraded,
        has_more=page.has_more,
        stages=[count_to_proto(count) for count in page.stages],
    )
