"""What everybody gets who asks a method about the owner, who is private, and what is theirs: a clip for followers, an upload, a collection, a comment.

`in` is an answer, `nothing` one that lists nothing, everything else the reason of a refusal. A method that is not here is a red test: say who
may call it before it is served.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.e2e.access.town import KINDS

Expected = Mapping[str, str]


def anyone(rest: str = "in", **others: str) -> Expected:
    """Also who is not signed in; `others` get something else than `rest`."""
    return {kind: others.get(kind, rest) for kind in KINDS}


def signed_in(rest: str = "in", **others: str) -> Expected:
    """Everybody but who is not signed in."""
    return anyone(rest, anonymous="SIGN_IN_REQUIRED", **others)


def staff(*roles: str, then: str = "in") -> Expected:
    """Those with a role; it says no more than that to nobody else."""
    return signed_in("FORBIDDEN", **dict.fromkeys(roles, then))


SERVICES_ONLY = anyone("FORBIDDEN")
"""For no viewer: the gateway may not ask."""

RPCS: Mapping[str, Expected] = {
    "common.OperatorService.ListConsumerGroups": SERVICES_ONLY,
    "common.OperatorService.ListDeadLetters": SERVICES_ONLY,
    "common.OperatorService.ReplayDeadLetter": SERVICES_ONLY,
    "common.OperatorService.RewindConsumerGroup": SERVICES_ONLY,
    "common.OperatorService.ReplayArchive": SERVICES_ONLY,
    "feed.FeedService.GetForYou": anyone(),
    "feed.SignalService.ReportWatch": anyone(),
    "feed.SignalService.MintViewTokens": anyone("nothing", follower="in", owner="in"),
    "feed.SignalService.BatchGetViewCounts": anyone(),
    "rights.PublicationService.AssessPublication": SERVICES_ONLY,
    "rights.PublicationService.BatchGetVerdicts": anyone(),
    "rights.PublicationService.AddBlockedHash": staff("moderator", "admin"),
    "rights.PublicationService.RemoveBlockedHash": staff("moderator", "admin"),
    "rights.PublicationService.ListBlockedHashes": staff("moderator", "admin", then="nothing"),
    "rights.ReviewService.ListReviews": staff("moderator", "admin", then="nothing"),
    "rights.ReviewService.DecideReview": staff("moderator", "admin", then="REVIEW_NOT_FOUND"),
    "rights.TextPolicyService.BatchAssessTexts": SERVICES_ONLY,
    "social.CommentService.PostComment": signed_in("INVALID_PERMIT", follower="in", owner="in"),
    "social.CommentService.EditComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "social.CommentService.DeleteComment": signed_in("COMMENT_NOT_FOUND", moderator="in", admin="in", owner="in"),
    "social.CommentService.HideComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "social.CommentService.ApproveComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "social.CommentService.PinComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "social.CommentService.UnpinComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "social.CommentService.LikeComment": signed_in("INVALID_PERMIT", follower="in", owner="in"),
    "social.CommentService.UnlikeComment": signed_in(),
    "social.CommentService.ListComments": anyone("INVALID_PERMIT", follower="in", owner="in"),
    "social.CommentService.ListReplies": anyone("INVALID_PERMIT", follower="nothing", owner="nothing"),
    "social.CommentService.GetComment": anyone("INVALID_PERMIT", follower="in", owner="in"),
    "social.CommentService.ListHeldComments": signed_in("nothing"),
    "social.CommentService.ListCommentRevisions": signed_in("COMMENT_NOT_FOUND", moderator="nothing", admin="nothing", owner="nothing"),
    "social.CommentService.GetCommentFilters": signed_in(),
    "social.CommentService.UpdateCommentFilters": signed_in(),
    "social.EngagementService.Like": signed_in("INVALID_PERMIT", follower="in", owner="in"),
    "social.EngagementService.Unlike": signed_in(),
    "social.EngagementService.Save": signed_in("INVALID_PERMIT", follower="COLLECTION_NOT_FOUND", owner="in"),
    "social.EngagementService.Unsave": signed_in(),
    "social.EngagementService.Share": signed_in("INVALID_PERMIT", follower="in", owner="in"),
    "social.EngagementService.Repost": signed_in("INVALID_PERMIT", follower="in", owner="in"),
    "social.EngagementService.UndoRepost": signed_in(),
    "social.EngagementService.CreateCollection": signed_in(),
    "social.EngagementService.RenameCollection": signed_in("COLLECTION_NOT_FOUND", owner="in"),
    "social.EngagementService.DeleteCollection": signed_in("COLLECTION_NOT_FOUND", owner="in"),
    "social.EngagementService.ListCollections": signed_in(),
    "social.EngagementService.ListSaved": signed_in("COLLECTION_NOT_FOUND", owner="nothing"),
    "social.EngagementService.ListLiked": signed_in("nothing"),
    "social.EngagementService.ListReposts": anyone("PROFILE_NOT_FOUND", follower="nothing", owner="nothing"),
    "social.EngagementService.BatchGetCounters": anyone(),
    "social.EngagementService.BatchGetViewerState": anyone(),
    "social.GraphService.Follow": signed_in(blocked="ACCOUNT_NOT_FOUND", owner="SELF_FOLLOW"),
    "social.GraphService.Unfollow": signed_in(owner="SELF_FOLLOW"),
    "social.GraphService.ApproveFollow": signed_in("FOLLOW_REQUEST_NOT_FOUND", owner="SELF_FOLLOW"),
    "social.GraphService.DeclineFollow": signed_in(owner="SELF_FOLLOW"),
    "social.GraphService.RemoveFollower": signed_in(owner="SELF_FOLLOW"),
    "social.GraphService.Block": signed_in(owner="SELF_FOLLOW"),
    "social.GraphService.Unblock": signed_in(owner="SELF_FOLLOW"),
    "social.GraphService.Mute": signed_in(blocked="ACCOUNT_NOT_FOUND", owner="SELF_FOLLOW"),
    "social.GraphService.Unmute": signed_in(owner="SELF_FOLLOW"),
    "social.GraphService.ListFollowers": anyone("FOLLOWS_ARE_PRIVATE", follower="in", blocked="ACCOUNT_NOT_FOUND", owner="in"),
    "social.GraphService.ListFollowing": anyone("FOLLOWS_ARE_PRIVATE", follower="nothing", blocked="ACCOUNT_NOT_FOUND", owner="nothing"),
    "social.GraphService.ListFollowRequests": signed_in("nothing"),
    "social.GraphService.ListBlocked": signed_in("nothing", owner="in"),
    "social.GraphService.ListMuted": signed_in("nothing"),
    "social.GraphService.BatchGetRelationships": signed_in(),
    "social.GraphService.BatchGetGraphCounts": anyone(),
    "social.IdentityService.SignUp": anyone("HANDLE_TAKEN"),
    "social.IdentityService.Authorize": anyone("REDIRECT_NOT_ALLOWED"),
    "social.IdentityService.ExchangeCode": anyone("INVALID_GRANT"),
    "social.IdentityService.RefreshTokens": anyone("INVALID_GRANT"),
    "social.IdentityService.RevokeSession": anyone(),
    "social.IdentityService.ListSigningKeys": anyone(),
    "social.IdentityService.GetSession": anyone(),
    "social.IdentityService.GrantRole": staff("operator", "admin"),
    "social.IdentityService.SetBan": staff("operator", "admin"),
    "social.IdentityService.ListSessions": signed_in(),
    "social.IdentityService.EndSession": signed_in("SESSION_NOT_FOUND", owner="in"),
    "social.IdentityService.ChangePassword": signed_in("WRONG_CREDENTIALS"),
    "social.IdentityService.RequestPasswordReset": anyone(),
    "social.IdentityService.ResetPassword": anyone("INVALID_MAIL_TOKEN"),
    "social.IdentityService.RequestEmailVerification": signed_in(),
    "social.IdentityService.VerifyEmail": anyone("INVALID_MAIL_TOKEN"),
    "social.NotificationService.ListNotifications": signed_in(),
    "social.NotificationService.GetNotificationChanges": signed_in(),
    "social.NotificationService.GetUnreadNotificationCount": signed_in(),
    "social.NotificationService.MarkNotificationsRead": signed_in(),
    "social.NotificationService.GetNotificationSettings": signed_in(),
    "social.NotificationService.UpdateNotificationSettings": signed_in(),
    "social.ProfileService.BatchGetProfiles": anyone(blocked="nothing"),
    "social.ProfileService.GetProfileByHandle": anyone(blocked="PROFILE_NOT_FOUND"),
    "social.ProfileService.GetMyAccount": signed_in(),
    "social.ProfileService.UpdateProfile": signed_in(),
    "social.ProfileService.ChangeHandle": signed_in("HANDLE_TAKEN", owner="in"),
    "social.ProfileService.SetAvatar": signed_in("INVALID_PERMIT"),
    "social.ProfileService.RemoveAvatar": signed_in(),
    "social.ProfileService.UpdatePrivacy": signed_in(),
    "social.ProfileService.UpdateConsents": signed_in(),
    "social.ProfileService.BatchGetStandings": SERVICES_ONLY,
    "sound.CatalogueService.RegisterOriginalSound": SERVICES_ONLY,
    "sound.CatalogueService.BatchGetSounds": anyone("nothing"),
    "sound.CatalogueService.GetSound": anyone("SOUND_NOT_FOUND"),
    "sound.CatalogueService.ListSoundVideos": anyone("SOUND_NOT_FOUND"),
    "video.ImageService.StartImage": signed_in(),
    "video.ImageService.CompleteImage": signed_in("IMAGE_NOT_FOUND", owner="IMAGE_NOT_SENT"),
    "video.ImageService.BatchGetImages": anyone("nothing"),
    "video.JobService.LeaseJob": SERVICES_ONLY,
    "video.JobService.Heartbeat": SERVICES_ONLY,
    "video.JobService.CommitJob": SERVICES_ONLY,
    "video.JobService.FailJob": SERVICES_ONLY,
    "video.JobService.ListDeadVideos": SERVICES_ONLY,
    "video.JobService.RedoVideo": SERVICES_ONLY,
    "video.PlaybackService.BatchGetPlayback": anyone("NOT_FOUND", follower="in", owner="in"),
    "video.PlaybackService.ListRevocations": anyone(),
    "video.UploadService.StartUpload": signed_in(),
    "video.UploadService.SignUploadParts": signed_in("UPLOAD_NOT_FOUND", owner="in"),
    "video.UploadService.GetUpload": signed_in("UPLOAD_NOT_FOUND", owner="in"),
    "video.UploadService.GetUploadOffset": signed_in("UPLOAD_NOT_FOUND", owner="in"),
    "video.UploadService.ListUploads": signed_in(),
    "video.UploadService.CompleteUpload": signed_in("UPLOAD_NOT_FOUND", owner="MISSING_PARTS"),
    "video.UploadService.AbortUpload": signed_in("UPLOAD_NOT_FOUND", owner="in"),
    "video.VideoService.PublishVideo": signed_in("VIDEO_NOT_FOUND", owner="CHOSEN_SOUND_NOT_SUPPORTED"),
    "video.VideoService.BatchGetVideos": anyone("nothing", follower="in", owner="in"),
    "video.VideoService.ListCreatorVideos": anyone("nothing", follower="in", owner="in"),
    "video.VideoService.BatchIssuePermits": anyone("nothing", follower="in", owner="in"),
    "social.IdentityService.EndAllSessions": signed_in(),
    "video.VideoService.UpdateVideo": signed_in("VIDEO_NOT_FOUND", owner="in"),
    "video.VideoService.DeleteVideo": signed_in("VIDEO_NOT_FOUND", owner="in"),
}
"""Every method, in the order in which it is asked: those after which little is left come last."""

_GATEWAY = frozenset({"gateway"})
_OPERATOR = frozenset({"operator"})
_VIDEO = frozenset({"video"})

CALLERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys((name for name in RPCS if name.startswith("common.OperatorService.")), _OPERATOR),
    **dict.fromkeys((f"video.JobService.{name}" for name in ("LeaseJob", "Heartbeat", "CommitJob", "FailJob")), _VIDEO),
    **dict.fromkeys((f"video.JobService.{name}" for name in ("ListDeadVideos", "RedoVideo")), _OPERATOR),
    **dict.fromkeys(
        (
            "video.VideoService.BatchGetVideos",
            "video.VideoService.ListCreatorVideos",
            "video.VideoService.BatchIssuePermits",
            "video.PlaybackService.BatchGetPlayback",
            "social.EngagementService.BatchGetCounters",
            "social.EngagementService.BatchGetViewerState",
        ),
        _GATEWAY | {"feed"},
    ),
    "rights.PublicationService.AssessPublication": _VIDEO,
    "rights.PublicationService.BatchGetVerdicts": _GATEWAY | _VIDEO,
    "rights.TextPolicyService.BatchAssessTexts": frozenset({"social"}),
    "social.GraphService.BatchGetGraphCounts": _GATEWAY | _VIDEO,
    "social.GraphService.BatchGetRelationships": _GATEWAY | _VIDEO | {"feed"},
    "social.ProfileService.BatchGetProfiles": _GATEWAY | _VIDEO | {"feed", "sound"},
    "social.ProfileService.BatchGetStandings": _VIDEO | {"feed", "sound"},
    "sound.CatalogueService.BatchGetSounds": _GATEWAY | _VIDEO | {"feed"},
    "sound.CatalogueService.RegisterOriginalSound": _VIDEO,
}
"""Which services may call a method; of all others the gateway alone."""


def callers_of(name: str) -> frozenset[str]:
    """Services that are let in."""
    return CALLERS.get(name, _GATEWAY)
