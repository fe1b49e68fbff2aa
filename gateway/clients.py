"""Typed stubs of the five services."""

from __future__ import annotations

from dataclasses import dataclass

from clipmesh.feed.v1.feed_service_pb2_grpc import FeedServiceStub
from clipmesh.feed.v1.signal_service_pb2_grpc import SignalServiceStub
from clipmesh.rights.v1.review_service_pb2_grpc import ReviewServiceStub
from clipmesh.social.v1.comment_service_pb2_grpc import CommentServiceStub
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub
from clipmesh.social.v1.graph_service_pb2_grpc import GraphServiceStub
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub
from clipmesh.social.v1.notification_service_pb2_grpc import NotificationServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub
from clipmesh.sound.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from clipmesh.video.v1.image_service_pb2_grpc import ImageServiceStub
from clipmesh.video.v1.playback_service_pb2_grpc import PlaybackServiceStub
from clipmesh.video.v1.upload_service_pb2_grpc import UploadServiceStub
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub

from mesh.client import Channels

GRAPH_ACTS = frozenset({"Follow", "Unfollow", "ApproveFollow", "DeclineFollow", "RemoveFollower", "Block", "Unblock", "Mute", "Unmute"})
"""Acts of GraphService: each carries a request id."""

ENGAGEMENT_ACTS = frozenset(
    {
        *("Like", "Unlike", "Save", "Unsave", "Share", "Repost", "UndoRepost"),
        *("CreateCollection", "RenameCollection", "DeleteCollection"),
    }
)
"""Acts of EngagementService: a repeat changes nothing."""

COMMENT_ACTS = frozenset(
    {
        *("PostComment", "EditComment", "DeleteComment", "LikeComment", "UnlikeComment"),
        *("HideComment", "ApproveComment", "PinComment", "UnpinComment", "UpdateCommentFilters"),
    }
)
"""Acts of CommentService: each carries a request id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """One stub a gRPC service."""

    feed: FeedServiceStub
    signals: SignalServiceStub
    videos: VideoServiceStub
    uploads: UploadServiceStub
    images: ImageServiceStub
    playback: PlaybackServiceStub
    sounds: CatalogueServiceStub
    identity: IdentityServiceStub
    profiles: ProfileServiceStub
    graph: GraphServiceStub
    engagement: EngagementServiceStub
    comments: CommentServiceStub
    notifications: NotificationServiceStub
    reviews: ReviewServiceStub

    @classmethod
    def open(cls, channels: Channels) -> Clients:
        """Stubs on the process's channels; nothing is connected yet."""
        return cls(
            feed=channels.stub(FeedServiceStub, "feed"),
            signals=channels.stub(SignalServiceStub, "feed", idempotent={"ReportWatch", "MintViewTokens"}),
            videos=channels.stub(VideoServiceStub, "video", idempotent={"PublishVideo", "UpdateVideo", "DeleteVideo"}),
            uploads=channels.stub(
                UploadServiceStub, "video", idempotent={"StartUpload", "CompleteUpload", "AbortUpload", "SignUploadParts"}
            ),
            images=channels.stub(ImageServiceStub, "video", idempotent={"StartImage", "CompleteImage"}),
            playback=channels.stub(PlaybackServiceStub, "video"),
            sounds=channels.stub(CatalogueServiceStub, "sound"),
            identity=channels.stub(
                IdentityServiceStub, "social", idempotent={"SignUp", "ChangePassword", "ResetPassword", "RequestEmailVerification"}
            ),
            profiles=channels.stub(
                ProfileServiceStub, "social", idempotent={"UpdateProfile", "UpdatePrivacy", "SetAvatar", "RemoveAvatar"}
            ),
            graph=channels.stub(GraphServiceStub, "social", idempotent=GRAPH_ACTS),
            engagement=channels.stub(EngagementServiceStub, "social", idempotent=ENGAGEMENT_ACTS),
            comments=channels.stub(CommentServiceStub, "social", idempotent=COMMENT_ACTS),
            notifications=channels.stub(
                NotificationServiceStub, "social", idempotent={"MarkNotificationsRead", "UpdateNotificationSettings"}
            ),
            reviews=channels.stub(ReviewServiceStub, "rights", idempotent={"DecideReview"}),
        )
