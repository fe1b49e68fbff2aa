"""Events of rights that move publications."""

from __future__ import annotations

from clipmesh.rights.v1.events_pb2 import VerdictChanged

from mesh.events.consumers import Incoming, VersionedRow
from svc_video.videos.changes import VideoChanges
from svc_video.videos.convert import verdict_from_proto
from svc_video.videos.errors import VideoNotFound
from svc_video.videos.rules import after_verdict


class VerdictsOfRights(VersionedRow):
    """Applies new verdicts to videos; the row itself remembers the version of the last one, so repeats and old verdicts change nothing."""

    name = "verdicts"
    topics = ("rights",)

    def __init__(self, *, changes: VideoChanges) -> None:
        self._changes = changes
        self.handlers = {VerdictChanged: self.verdict_changed}

    async def verdict_changed(self, event: Incoming[VerdictChanged]) -> None:
        """A moderator decided, or a rule spoke anew."""
        verdict = verdict_from_proto(event.message.verdict)
        try:
            await self._changes.apply(event.message.verdict.video_id, lambda video: after_verdict(video, verdict))
        except VideoNotFound:
            return  # rights may know of videos of another region
