"""Folds video's events into the copies that may be recommended."""

from __future__ import annotations

from clipmesh.video.v1 import events_pb2

from mesh.events.consumers import Incoming, VersionedRow
from svc_feed.foryou.convert import video_from_proto, withdrawn_from_proto
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
        return self._copy(video_from_proto(event.message.video, version=event.envelope.key_version))

    async def changed(self, event: Incoming[events_pb2.VideoChanged]) -> FeedVideo:
        return self._copy(video_from_proto(event.message.video, version=event.envelope.key_version))

    async def withdrawn(self, event: Incoming[events_pb2.VideoWithdrawn]) -> FeedVideo:
        return self._copy(withdrawn_from_proto(event.message, version=event.envelope.key_version))

    def _copy(self, copy: FeedVideo) -> FeedVideo:
        self._corpus.apply(copy)
        return copy
