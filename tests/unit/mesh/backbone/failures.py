"""A small consumer whose rows tests of the backbone look at."""

from __future__ import annotations

from dataclasses import dataclass

from clipmesh.video.v1.events_pb2 import MediaFailed

from mesh.events.consumers import Incoming, Rejected, VersionedRow
from mesh.stores.tables.schema import Guard, Partition, table


@table("failures", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    video_id: Partition[int]
    reason: str = ""
    version: int = 0


class Failures(VersionedRow):
    """Keeps why media failed; gives up on what is HOPELESS until it is mended."""

    name = "failures"
    topics = ("video",)

    def __init__(self) -> None:
        self.handlers = {MediaFailed: self.failed}
        self.mended = False
        self.seen: list[int] = []

    async def failed(self, event: Incoming[MediaFailed]) -> Failure:
        self.seen.append(event.message.video_id)
        if event.message.reason == "HOPELESS" and not self.mended:
            raise Rejected("HOPELESS", "cannot work yet")
        return Failure(video_id=event.message.video_id, reason=event.message.reason)
