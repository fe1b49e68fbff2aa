"""Between the nouns of videos and the protos, one function each way."""

from __future__ import annotations

from clipmesh.common.v1 import category_pb2, permit_pb2
from clipmesh.rights.v1 import publication_service_pb2
from clipmesh.video.v1 import events_pb2, video_service_pb2
from google.protobuf.message import Message

from svc_video.videos.rules import Act, Announcement, Verdict, VerdictKind, is_recommendable, state_of
from svc_video.videos.tables import Video

PERMIT_KINDS = {
    Act.VIEW: permit_pb2.PERMIT_KIND_VIEW,
    Act.COMMENT: permit_pb2.PERMIT_KIND_COMMENT,
    Act.ENGAGE: permit_pb2.PERMIT_KIND_ENGAGE,
}


def video_to_proto(video: Video, *, version: int = 0, progress_percent: int = 0, with_failure: bool = False) -> video_service_pb2.Video:
    """A video as a viewer may know it. `version` replaces the row's when it is about to be written; progress and failures are told to creators
    and moderators only."""
    return video_service_pb2.Video(
        video_id=video.video_id,
        creator_id=video.creator_id,
        state=video_service_pb2.VideoState.ValueType(state_of(video)),
        media_state=video_service_pb2.MediaState.ValueType(video.media_state),
        publication_state=video_service_pb2.PublicationState.ValueType(video.publication_state),
        caption=video.caption,
        hashtags=video.hashtag_list,
        category=category_pb2.Category.ValueType(video.category),
        language=video.language,
        visibility=video_service_pb2.Visibility.ValueType(video.visibility),
        switches=video_service_pb2.Switches(
            allow_comments=video.allow_comments,
            allow_duet=video.allow_duet,
            allow_stitch=video.allow_stitch,
            allow_download=video.allow_download,
        ),
        duration_ms=video.duration_ms,
        width=video.width,
        height=video.height,
        has_audio=video.has_audio,
        sound_id=video.sound_id,
        created_at_ms=video.created_at_ms,
        published_at_ms=video.published_at_ms,
        failure_code=video.failure_code if with_failure else "",
        failure_detail=video.failure_detail if with_failure else "",
        version=version or video.version,
        recommendable=is_recommendable(video),
        progress_percent=progress_percent,
    )


def announcement_to_proto(announcement: Announcement, video: Video, *, version: int) -> Message | None:
    """The event that tells of a change; None when there is nothing to tell."""
    match announcement:
        case Announcement.PUBLISHED:
            return events_pb2.VideoPublished(video=video_to_proto(video, version=version))
        case Announcement.CHANGED:
            return events_pb2.VideoChanged(video=video_to_proto(video, version=version))
        case Announcement.WITHDRAWN:
            state = video_service_pb2.VideoState.ValueType(state_of(video))
            return events_pb2.VideoWithdrawn(video_id=video.video_id, creator_id=video.creator_id, state=state)
        case Announcement.NONE:
            return None


def deletion_to_proto(video: Video) -> events_pb2.VideoDeleted:
    """The event that tells that a video is gone for good."""
    return events_pb2.VideoDeleted(video_id=video.video_id, creator_id=video.creator_id)


def verdict_from_proto(verdict: publication_service_pb2.Verdict) -> Verdict:
    """A verdict of rights; a kind that this code does not know is UNSPECIFIED and publishes nothing."""
    known = int(verdict.kind) in {kind.value for kind in VerdictKind}
    return Verdict(
        kind=VerdictKind(verdict.kind) if known else VerdictKind.UNSPECIFIED,
        policy=verdict.policy,
        publication_version=verdict.publication_version,
        version=verdict.version,
    )
