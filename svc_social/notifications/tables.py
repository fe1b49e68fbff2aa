"""The persisted nouns of notifications: groups with their acts, inboxes, settings, what waits to be delivered, and fan-outs under way."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


class NotificationKind(enum.IntEnum):
    """What a notification tells of; social.v1.NotificationKind."""

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


class Channel(enum.IntEnum):
    """A way to tell a person who is not looking at the inbox."""

    PUSH = 1
    MAIL = 2


class DeliveryState(enum.IntEnum):
    """How far a delivery is."""

    WAITING = 1
    SENDING = 2
    """Somebody tries until `due_at_ms`; after it anybody may."""
    SENT = 3
    NEEDLESS = 4
    """It was read, withdrawn or turned off before it went out."""
    DEAD = 5
    """It failed as often as is tried."""


@table("notified_acts", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedAct:
    """An act that a group tells of, or the group itself: all of one partition change in one step, so the group's count is the acts beside it."""

    user_id: Partition[int]
    """Whose inbox it is."""
    place: Partition[str]
    """Which entry of the inbox: kind, video, comment and window."""
    member: Clustering[int]
    """What makes the act the same one when it comes again: a person, or a comment; 0 for the group."""
    actor_id: int = 0
    acted_at_ms: int = 0
    """When it was first done; of the group, the newest of all that ever stood in it."""
    source_version: int = 0
    """Version of what the act was made from: only a larger one replaces what stands."""
    present: bool = False
    """False for what was taken back. Such rows stay: they keep older news away."""
    was_present: bool = False
    """True once it stood, so that an act that is taken back and done again is no news."""
    size: int = 0
    """Of the group: how many acts are present."""
    news: int = 0
    """Of the group: how many different acts ever stood in it."""
    actors: str = ""
    """Of the group: `ACTOR:MEMBER:ACTED_AT_MS` of its newest acts, newest first, separated by blanks."""
    expires_at_ms: int = 0
    version: int = 0


@table("heard_comments", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class HeardComment:
    """A comment as it was last heard of, and beside it everyone whom it concerns: a removed one no longer says whom it named."""

    comment_id: Partition[int]
    user_id: Clustering[int]
    """Whom it concerns; 0 for the comment itself."""
    place: Clustering[str]
    """In which entry of their inbox; empty for the comment itself."""
    author_id: int = 0
    acted_at_ms: int = 0
    present: bool = False
    """Of the comment itself: whether everybody can see it."""
    expires_at_ms: int = 0
    version: int = 0


@table("parted_people", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class PartedPerson:
    """Who fell out of a person's inbox because of a block or a mute; the version is that of their bond. It stays after the block is lifted: what is
    older, and heard of later, does not come in."""

    user_id: Partition[int]
    """Whose inbox it is."""
    gone_id: Clustering[int]
    event_id: int = 0
    """The event that told of it: acts with smaller ids are older."""
    parted_at_ms: int = 0
    version: int = 0


@table("inbox", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """An entry of a person's inbox, or its head: all of one inbox change in one step, so its numbers are always exact."""

    user_id: Partition[int]
    place: Clustering[str]
    """Empty for the head."""
    notification_id: int = 0
    kind: int = 0
    """A NotificationKind; 0 for the head."""
    video_id: int = 0
    comment_id: int = 0
    detail: str = ""
    source_version: int = 0
    """Version of the group, or of what a single entry was made from."""
    present: bool = False
    count: int = 0
    """Acts of the entry; of the head, entries that are present."""
    news: int = 0
    actors: str = ""
    """Ids of people, newest first, separated by blanks."""
    updated_at_ms: int = 0
    ends_at_ms: int = 0
    """When it leaves the inbox by age; of the head, when the next one may."""
    changed: int = 0
    """The number of its last change; of the head, of the last one of all."""
    raised: int = 0
    """The number of the change that made it unread last; of the head, how far all was marked as read."""
    read: int = 0
    """The number of the change that marked it as read last."""
    alerts: int = 0
    """How often it became unread: each is worth one delivery a channel."""
    unread: int = 0
    """Of the head: how many entries are unread."""
    floor_ms: int = 0
    """Of the head: what is not newer than this left a full inbox, and does not come back."""
    applied: str = ""
    """Of the head: operation ids of the last marks, so that the repeat of one is told apart from another."""
    version: int = 0


@table("notification_settings", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRow:
    """What a person chose; where nothing was chosen the defaults hold."""

    user_id: Partition[int]
    chosen_mask: int = 0
    """Bit n is set when the person chose about NotificationKind n."""
    inbox_mask: int = 0
    """Bit n is set when that kind comes into the inbox; so for the next two."""
    push_mask: int = 0
    mail_mask: int = 0
    quiet_hours_sealed: bytes = b""
    """`FROM_MINUTE TO_MINUTE TIME_ZONE`, sealed with the person's key; empty when nothing waits."""
    applied_edits: str = ""
    """Operation ids of the last changes, so that the repeat of one is told apart from another change."""
    version: int = 0


@table("deliveries", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One alert of one entry by one channel."""

    user_id: Partition[int]
    place: Partition[str]
    alert: Clustering[int]
    channel: Clustering[Channel]
    notification_id: int = 0
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    due_at_ms: int = 0
    expires_at_ms: int = 0
    version: int = 0


@table("due_deliveries", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """When to look at a delivery next; one that no longer fits its delivery means nothing."""

    shard: Partition[int]
    due_at_ms: Clustering[int]
    user_id: Clustering[int]
    place: Clustering[str]
    alert: Clustering[int]
    channel: Clustering[Channel]
    version: int = 0


@table("fan_outs", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """A publication on its way to the inboxes of followers; its row stays while it may be heard of again."""

    video_id: Partition[int]
    creator_id: int = 0
    friends_only: bool = False
    published_at_ms: int = 0
    after: str = ""
    """Where in the list of followers to go on."""
    done: bool = False
    leased_until_ms: int = 0
    told: int = 0
    """How many inboxes were looked at."""
    expires_at_ms: int = 0
    version: int = 0


@table("open_fan_outs", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFanOut:
    """A fan-out that is not done; a row whose fan-out is done means nothing."""

    shard: Partition[int]
    video_id: Clustering[int]
    version: int = 0
