"""What the fake social service answers of engagement."""

from __future__ import annotations

from typing import Any

from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.video.v1 import video_service_pb2 as videos

from mesh.auth import current_viewer
from mesh.ids import EPOCH_MS

ACTED_AT_MS = EPOCH_MS + 86_400_000
SHARE_ID, COLLECTION_ID = 77_001, 77_002


class EngagementFakes:
    """Methods of the fakes; they keep nothing."""

    __slots__ = ()
    videos: dict[int, videos.Video]

    async def batch_issue_permits(self, request: Any) -> Any:
        """A permit names whom and what it is for, signed by nobody: the fake social service only looks at that."""
        permits = [
            permit_pb2.SignedPermit(permit=permit_pb2.Permit(subject_id=one, viewer_id=current_viewer().user_id).SerializeToString())
            for one in request.video_ids
            if one in self.videos
        ]
        return videos.BatchIssuePermitsResponse(permits=permits)

    async def batch_get_counters(self, request: Any) -> Any:
        counters = [pb.Counters(video_id=one, likes=2**40, saves=3, shares=4, reposts=5) for one in request.video_ids]
        return pb.BatchGetCountersResponse(counters=counters)

    async def batch_get_viewer_state(self, request: Any) -> Any:
        return pb.BatchGetViewerStateResponse(states=[pb.ViewerState(video_id=one, liked=True) for one in request.video_ids])

    async def like(self, request: Any) -> Any:
        return pb.LikeResponse(state=pb.ViewerState(video_id=request.video_id, liked=True))

    async def unlike(self, request: Any) -> Any:
        return pb.UnlikeResponse(state=pb.ViewerState(video_id=request.video_id))

    async def save(self, request: Any) -> Any:
        return pb.SaveResponse(state=pb.ViewerState(video_id=request.video_id, saved=True))

    async def unsave(self, request: Any) -> Any:
        return pb.UnsaveResponse(state=pb.ViewerState(video_id=request.video_id))

    async def share(self, request: Any) -> Any:
        return pb.ShareResponse(share_id=SHARE_ID)

    async def repost(self, request: Any) -> Any:
        return pb.RepostResponse(state=pb.ViewerState(video_id=request.video_id, reposted=True))

    async def undo_repost(self, request: Any) -> Any:
        return pb.UndoRepostResponse(state=pb.ViewerState(video_id=request.video_id))

    async def create_collection(self, request: Any) -> Any:
        return pb.CreateCollectionResponse(collection=_collection(request.name))

    async def rename_collection(self, request: Any) -> Any:
        return pb.RenameCollectionResponse(collection=_collection(request.name))

    async def delete_collection(self, request: Any) -> Any:
        return pb.DeleteCollectionResponse()

    async def list_collections(self, request: Any) -> Any:
        return pb.ListCollectionsResponse(collections=[_collection("Dances")])

    async def list_saved(self, request: Any) -> Any:
        return pb.ListSavedResponse(**self._engaged(request))

    async def list_liked(self, request: Any) -> Any:
        return pb.ListLikedResponse(**self._engaged(request))

    async def list_reposts(self, request: Any) -> Any:
        return pb.ListRepostsResponse(**self._engaged(request))

    def _engaged(self, request: Any) -> dict[str, Any]:
        first, size = int(request.page_token or 0), request.page_size or 20
        ids = list(self.videos)[first:]
        listed = [pb.EngagedVideo(video_id=one, acted_at_ms=ACTED_AT_MS + at) for at, one in enumerate(ids[:size])]
        return {"videos": listed, "next_page_token": str(first + size) if len(ids) > size else ""}


def _collection(name: str) -> pb.Collection:
    return pb.Collection(collection_id=COLLECTION_ID, name=name, created_at_ms=ACTED_AT_MS, version=1)
