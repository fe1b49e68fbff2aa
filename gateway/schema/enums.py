"""Enums of the schema; names and numbers equal the protos', a test holds them together."""

from __future__ import annotations

import enum

import strawberry


@strawberry.enum(description="The one word about a video that people are shown.")
class VideoState(enum.IntEnum):
    UPLOADING = 1
    PROCESSING = 2
    DRAFT = 3
    ASSESSING = 4
    IN_REVIEW = 5
    READY = 6
    RESTRICTED = 7
    REJECTED = 8
    TAKEN_DOWN = 9
    FAILED = 10
    DELETED = 11


@strawberry.enum(description="Whom a creator shows a video to.")
class Visibility(enum.IntEnum):
    PUBLIC = 1
    FRIENDS = 2
    FOLLOWERS = 3
    ONLY_ME = 4


@strawberry.enum(description="The closed taxonomy of clips.")
class Category(enum.IntEnum):
    UNSPECIFIED = 0
    ANIMALS = 1
    ART = 2
    BEAUTY = 3
    COMEDY = 4
    DANCE = 5
    DIY = 6
    EDUCATION = 7
    ENTERTAINMENT = 8
    FAMILY = 9
    FASHION = 10
    FITNESS = 11
    FOOD = 12
    GAMING = 13
    LIFESTYLE = 14
    MUSIC = 15
    NATURE = 16
    NEWS = 17
    SCIENCE = 18
    SPORTS = 19
    TECHNOLOGY = 20
    TRAVEL = 21
    VEHICLES = 22


@strawberry.enum(description="Where an upload session stands.")
class UploadState(enum.IntEnum):
    OPEN = 1
    COMPLETED = 2
    ABORTED = 3
    EXPIRED = 4
    FAILED = 5


@strawberry.enum(description="What happens to a file while it is made playable.")
class ProcessingStage(enum.IntEnum):
    WAITING = 0
    QUEUED = 1
    PROBING = 2
    ENCODING_FIRST = 3
    ENCODING_REST = 4
    DONE = 5
    FAILED = 6


@strawberry.enum(description="What a person may do beyond watching.")
class Role(enum.IntEnum):
    VIEWER = 1
    CREATOR = 2
    RIGHTS_HOLDER = 3
    MODERATOR = 4
    ANALYST = 5
    OPERATOR = 6
    ADMIN = 7


@strawberry.enum(description="What is known of a person's age.")
class AgeBand(enum.IntEnum):
    UNSPECIFIED = 0
    AGE_13_TO_15 = 1
    AGE_16_TO_17 = 2
    ADULT = 3


@strawberry.enum(description="One purpose for which a person may allow the use of personal facts.")
class ConsentPurpose(enum.IntEnum):
    PERSONALISATION = 1
    ANALYTICS = 2
    ADS = 3


@strawberry.enum(description="Where a sound comes from.")
class SoundKind(enum.IntEnum):
    ORIGINAL = 1


@strawberry.enum(description="Why a video does not play for this viewer.")
class PlaybackRefusal(enum.IntEnum):
    NOT_FOUND = 1
    NOT_READY = 2
    PRIVATE = 3
    TAKEN_DOWN = 4
    REGION = 5
    AGE = 6


@strawberry.enum(description="Where a video was shown.")
class Surface(enum.IntEnum):
    PROFILE = 2
    SEARCH = 3
    SOUND = 4
    NOTIFICATION = 5
    LINK = 6


@strawberry.enum(description="What became of a watch report.")
class WatchOutcome(enum.IntEnum):
    ACCEPTED = 1
    DUPLICATE = 2
    BAD_TOKEN = 3
    BAD_TIME = 4
    OWN_VIDEO = 5
    IMPLAUSIBLE = 6


@strawberry.enum(description="What the gate says.")
class VerdictKind(enum.IntEnum):
    ALLOW = 1
    LIMIT = 2
    REVIEW = 3
    BLOCK = 4


@strawberry.enum(description="Where a review stands.")
class ReviewState(enum.IntEnum):
    OPEN = 1
    DECIDED = 2
    SUPERSEDED = 3


@strawberry.enum(description="Where a share goes.")
class ShareTarget(enum.IntEnum):
    LINK = 1
    MESSAGE = 2
    OTHER_APP = 3


@strawberry.enum(description="Where a comment stands.")
class CommentState(enum.IntEnum):
    PUBLISHED = 1
    HELD = 2
    HIDDEN = 3
    REMOVED = 4


@strawberry.enum(description="Which comments come first; replies always come oldest first.")
class CommentOrder(enum.IntEnum):
    TOP = 1
    NEWEST = 2
    OLDEST = 3


@strawberry.enum(description="How far one person's follow of another is.")
class FollowState(enum.IntEnum):
    NONE = 0
    REQUESTED = 1
    FOLLOWING = 2


@strawberry.enum(description="What a notification tells of.")
class NotificationKind(enum.IntEnum):
    FOLLOW = 1
    FOLLOW_REQUEST = 2
    FOLLOW_APPROVED = 3
    LIKE = 4
    REPOST = 5
    SHARE = 6
    COMMENT = 7
    REPLY = 8
    MENTION = 9
    COMMENT_LIKE = 10
    VIDEO_READY = 11
    VIDEO_FAILED = 12
    VIDEO_PUBLISHED = 13
    VERDICT = 14
    SECURITY = 15
    TRENDING = 16
    LIVE = 17


@strawberry.enum(description="A circle of people around a person.")
class Audience(enum.IntEnum):
    EVERYONE = 1
    FOLLOWERS = 2
    FRIENDS = 3
    NOBODY = 4
