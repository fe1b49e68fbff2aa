"""Folds video's events into the copies that may be recommended."""

from __future__ import annotations

from dataclasses import replace

from clipmesh.video.v1 import events_pb2, video_service_pb2

from mesh.events.consumers import Incoming, VersionedRow
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.tables import FeedVideo


class FeedVideos(VersionedRow):
    """One copy per video; a withdrawal stays as a row that is not recommendable, so that late events change nothing."""

    name = "videos"
    topics = ("video",)

    def __init__(self, *, corpus: Corpus) -> None:
        self._corpus = corpus
        self.handlers = {
            events_pb2.VideoPublished: self.published,
            events_pb2.VideoChanged: self.changed,
            events_pb2.VideoWithdrawn: self.withdrawn,
        }

    async def published(self, event: Incoming[events_pb2.VideoPublished]) -> FeedVideo:
        return self._copy(event.message.video, event.envelope.key_version)

    async def changed(self, event: Incoming[events_pb2.VideoChanged]) -> FeedVideo:
        return self._copy(event.message.video, event.envelope.key_version)

    async def withdrawn(self, event: Incoming[events_pb2.VideoWithdrawn]) -> FeedVideo:
        return self._remember(FeedVideo(video_id=event.message.video_id, creator_id=event.message.creator_id), event.envelope.key_version)

    def _copy(self, video: video_service_pb2.Video, version: int) -> FeedVideo:
        copy = FeedVideo(
            video_id=video.video_id,
            creator_id=video.creator_id,
            duration_ms=video.duration_ms,
            category=video.category,
            hashtags=" ".join(video.hashtags),
            language=video.language,
            sound_id=video.sound_id,
            published_at_ms=video.published_at_ms,
            recommendable=video.recommendable,
        )
        return self._remember(copy, version)

    def _remember(self, copy: FeedVideo, version: int) -> FeedVideo:
        self._corpus.apply(replace(copy, version=version))
        return copy
