"""What everybody gets who asks a GraphQL field about the owner's things; the words are those of tests/e2e/access/rpcs.py, and `null` is null.

A field that takes an id and is not here is a red test.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.e2e.access.rpcs import Expected, anyone


def signed_in(rest: str = "in", **others: str) -> Expected:
    """Everybody but who is not signed in."""
    return anyone(rest, anonymous="UNAUTHENTICATED", **others)


def staff(*roles: str, then: str = "in") -> Expected:
    """Those with a role; it says no more than that to nobody else."""
    return signed_in("FORBIDDEN", **dict.fromkeys(roles, then))


FIELDS: Mapping[str, Expected] = {
    "Mutation.endSession": signed_in("SESSION_NOT_FOUND", owner="in"),
    "Mutation.follow": signed_in(blocked="ACCOUNT_NOT_FOUND", owner="SELF_FOLLOW"),
    "Mutation.unfollow": signed_in(owner="SELF_FOLLOW"),
    "Mutation.approveFollow": signed_in("FOLLOW_REQUEST_NOT_FOUND", owner="SELF_FOLLOW"),
    "Mutation.declineFollow": signed_in(owner="SELF_FOLLOW"),
    "Mutation.removeFollower": signed_in(owner="SELF_FOLLOW"),
    "Mutation.block": signed_in(owner="SELF_FOLLOW"),
    "Mutation.unblock": signed_in(owner="SELF_FOLLOW"),
    "Mutation.mute": signed_in(blocked="ACCOUNT_NOT_FOUND", owner="SELF_FOLLOW"),
    "Mutation.unmute": signed_in(owner="SELF_FOLLOW"),
    "Mutation.like": signed_in("VIDEO_NOT_FOUND", follower="in", owner="in"),
    "Mutation.unlike": signed_in(),
    "Mutation.save": signed_in("VIDEO_NOT_FOUND", follower="COLLECTION_NOT_FOUND", owner="in"),
    "Mutation.unsave": signed_in(),
    "Mutation.share": signed_in("VIDEO_NOT_FOUND", follower="in", owner="in"),
    "Mutation.repost": signed_in("VIDEO_NOT_FOUND", follower="in", owner="in"),
    "Mutation.undoRepost": signed_in(),
    "Mutation.renameCollection": signed_in("COLLECTION_NOT_FOUND", owner="in"),
    "Mutation.deleteCollection": signed_in("COLLECTION_NOT_FOUND", owner="in"),
    "Mutation.postComment": signed_in("VIDEO_NOT_FOUND", follower="in", owner="in"),
    "Mutation.editComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "Mutation.deleteComment": signed_in("COMMENT_NOT_FOUND", moderator="in", admin="in", owner="in"),
    "Mutation.hideComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "Mutation.approveComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "Mutation.pinComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "Mutation.unpinComment": signed_in("COMMENT_NOT_FOUND", owner="in"),
    "Mutation.likeComment": signed_in("VIDEO_NOT_FOUND", follower="in", owner="in"),
    "Mutation.unlikeComment": signed_in(),
    "Mutation.completeAvatar": signed_in("IMAGE_NOT_FOUND", owner="IMAGE_NOT_SENT"),
    "Mutation.signUploadParts": signed_in("UPLOAD_NOT_FOUND", owner="in"),
    "Mutation.completeUpload": signed_in("UPLOAD_NOT_FOUND", owner="MISSING_PARTS"),
    "Mutation.abortUpload": signed_in("UPLOAD_NOT_FOUND", owner="in"),
    "Mutation.publishVideo": signed_in("VIDEO_NOT_FOUND", owner="VIDEO_NOT_DRAFT"),
    "Mutation.updateVideo": signed_in("VIDEO_NOT_FOUND", owner="in"),
    "Mutation.deleteVideo": signed_in("VIDEO_NOT_FOUND"),
    "Mutation.decideReview": staff("moderator", "admin", then="REVIEW_NOT_FOUND"),
    "Mutation.setBan": staff("operator", "admin", then="in"),
    "Mutation.grantRole": staff("operator", "admin", then="in"),
    "Mutation.markNotificationsRead": signed_in(),
    "Query.user": anyone(blocked="null"),
    "Query.savedVideos": signed_in("NOT_FOUND", owner="nothing"),
    "Query.video": anyone("null", follower="in", owner="in"),
    "Query.videos": anyone("null", follower="in", owner="in"),
    "Query.sound": anyone("null"),
    "Query.upload": signed_in("null", owner="in"),
    "Query.commentRevisions": signed_in("NOT_FOUND", moderator="nothing", admin="nothing", owner="nothing"),
    "Query.node": anyone("null", follower="in", owner="in"),
    "Query.nodes": anyone("null", follower="in", owner="in"),
    "Subscription.uploadProgress": signed_in("NOT_FOUND", owner="in"),
    "Subscription.videoCounters": anyone("NOT_FOUND", follower="in", owner="in"),
    "Video.replies": anyone("null", follower="nothing", owner="nothing"),
    "Video.commentPath": anyone("null", follower="in", owner="in"),
}
"""Every field, in the order in which it is asked."""

NOT_BY_THE_OWNER = frozenset({"Mutation.deleteVideo"})
"""Asked by the owner nothing would be left to ask for; the method behind it is, at the very end."""
STIRRING = frozenset({"Mutation.unfollow", "Mutation.removeFollower", "Mutation.unblock"})
"""After these nobody follows the owner, whom everybody blocked and unblocked: things are put back as they were."""
