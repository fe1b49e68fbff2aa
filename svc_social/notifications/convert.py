"""Notifications between events, rows and protos."""

from __future__ import annotations

from collections.abc import Iterator

from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.social.v1 import comment_service_pb2, engagement_service_pb2, events_pb2, graph_service_pb2
from clipmesh.social.v1 import notification_service_pb2 as pb
from clipmesh.video.v1 import events_pb2 as video_events
from clipmesh.video.v1 import video_service_pb2

from svc_social.notifications import rules
from svc_social.notifications.choices import QuietHours, choice_of
from svc_social.notifications.rules import Act, News, Place
from svc_social.notifications.tables import FanOut, InboxEntry, NotificationKind, SettingsRow

_ENGAGEMENT = {
    engagement_service_pb2.ENGAGEMENT_KIND_LIKE: NotificationKind.LIKE,
    engagement_service_pb2.ENGAGEMENT_KIND_SHARE: NotificationKind.SHARE,
    engagement_service_pb2.ENGAGEMENT_KIND_REPOST: NotificationKind.REPOST,
}
"""What creators hear of; a save is its person's own business."""
_REQUESTED, _FOLLOWING = graph_service_pb2.FOLLOW_STATE_REQUESTED, graph_service_pb2.FOLLOW_STATE_FOLLOWING
_FOLLOWED_BY_ALL = frozenset({video_service_pb2.VISIBILITY_PUBLIC, video_service_pb2.VISIBILITY_FOLLOWERS})


def acts_of_engagement(message: events_pb2.EngagementChanged, *, version: int) -> list[Act]:
    """What a creator hears of an act; it stands in the window in which the person first did it."""
    kind = _ENGAGEMENT.get(message.kind)
    if kind is None or not message.creator_id:
        return []
    first_ms = message.first_acted_at_ms or message.acted_at_ms
    place = Place(kind=kind, video_id=message.video_id, window=rules.window_of(first_ms))
    return [_act(message.creator_id, place, message.user_id, at_ms=first_ms, version=version, present=message.active)]


def acts_of_bond(message: events_pb2.BondChanged, *, version: int) -> list[Act]:
    """What two people hear of an act of one of them."""
    return [
        *_follow(message.low_id, message.high_id, message.low_before, message.low_after, version),
        *_follow(message.high_id, message.low_id, message.high_before, message.high_after, version),
    ]


def _follow(actor_id: int, other_id: int, before: events_pb2.BondSide, now: events_pb2.BondSide, version: int) -> Iterator[Act]:
    """Of one person's follow of another."""
    if before.follow == now.follow:
        return

    def told(user_id: int, kind: NotificationKind, who: int, at_ms: int, present: bool) -> Act:
        place = Place(kind=kind, window=rules.window_of(at_ms))
        return _act(user_id, place, who, at_ms=at_ms, version=version, present=present)

    if before.follow == _REQUESTED:
        yield told(other_id, NotificationKind.FOLLOW_REQUEST, actor_id, before.follow_since_ms, present=False)
    if before.follow == _FOLLOWING:
        yield told(other_id, NotificationKind.FOLLOW, actor_id, before.follow_since_ms, present=False)
        yield told(actor_id, NotificationKind.FOLLOW_APPROVED, other_id, before.follow_since_ms, present=False)
    if now.follow == _REQUESTED:
        yield told(other_id, NotificationKind.FOLLOW_REQUEST, actor_id, now.follow_since_ms, present=True)
    if now.follow == _FOLLOWING and before.follow == _REQUESTED:
        # Who let somebody in knows it.
        yield told(actor_id, NotificationKind.FOLLOW_APPROVED, other_id, now.follow_since_ms, present=True)
    elif now.follow == _FOLLOWING:
        yield told(other_id, NotificationKind.FOLLOW, actor_id, now.follow_since_ms, present=True)


def partings_of(message: events_pb2.BondChanged) -> list[tuple[int, int]]:
    """(whose inbox, who falls out of it) where a block or a mute began."""
    low, high = message.low_id, message.high_id
    blocked = any(
        now.blocks_since_ms and not before.blocks_since_ms
        for before, now in ((message.low_before, message.low_after), (message.high_before, message.high_after))
    )
    parted = [(low, high), (high, low)] if blocked else []
    if message.low_after.mutes_since_ms and not message.low_before.mutes_since_ms:
        parted.append((low, high))
    if message.high_after.mutes_since_ms and not message.high_before.mutes_since_ms:
        parted.append((high, low))
    return list(dict.fromkeys(parted))


def acts_of_comment(facts: events_pb2.CommentFacts, *, version: int) -> list[Act]:
    """What people hear of a comment: whom it answers, whom it names, and first of all whose video it is. Who is answered is not told that they are
    named."""
    window = rules.window_of(facts.posted_at_ms)
    answered = facts.answered_author_id
    places = [(facts.video_owner_id, NotificationKind.COMMENT, 0)]
    places += [(user_id, NotificationKind.MENTION, facts.comment_id) for user_id in facts.mentioned_ids if user_id != answered]
    if answered:
        places.append((answered, NotificationKind.REPLY, facts.answers_id))
    return [
        Act(
            user_id=user_id,
            place=Place(kind=kind, video_id=facts.video_id, comment_id=comment_id, window=window),
            member=facts.comment_id,
            actor_id=facts.author_id,
            acted_at_ms=facts.posted_at_ms,
            version=version,
            present=facts.state == comment_service_pb2.COMMENT_STATE_PUBLISHED,
        )
        for user_id, kind, comment_id in places
    ]


def acts_of_comment_like(message: events_pb2.CommentLiked, *, version: int) -> list[Act]:
    """What the author of a comment hears of a like."""
    first_ms = message.first_acted_at_ms or message.acted_at_ms
    place = Place(
        kind=NotificationKind.COMMENT_LIKE,
        video_id=message.video_id,
        comment_id=message.comment_id,
        window=rules.window_of(first_ms),
    )
    return [_act(message.author_id, place, message.user_id, at_ms=first_ms, version=version, present=message.active)]


def _act(user_id: int, place: Place, actor_id: int, *, at_ms: int, version: int, present: bool) -> Act:
    return Act(user_id=user_id, place=place, member=actor_id, actor_id=actor_id, acted_at_ms=at_ms, version=version, present=present)


def news_of_reuse(message: events_pb2.RefreshTokenReused) -> News:
    """What a person hears of a copied token; each session is ended for it once."""
    place = Place(kind=NotificationKind.SECURITY, window=message.session_id)
    return News(user_id=message.user_id, place=place, version=1, updated_at_ms=message.detected_at_ms, detail="REFRESH_TOKEN_REUSED")


def news_of_video(video: video_service_pb2.Video, *, version: int) -> News:
    """What a creator hears of a publication: the first is news, later ones only bring it back."""
    place = Place(kind=NotificationKind.VIDEO_READY, video_id=video.video_id)
    return News(user_id=video.creator_id, place=place, version=version, updated_at_ms=video.published_at_ms)


def news_of_withdrawal(message: video_events.VideoWithdrawn, *, version: int, at_ms: int) -> News:
    """What becomes of it when the video is no longer public."""
    place = Place(kind=NotificationKind.VIDEO_READY, video_id=message.video_id)
    return News(user_id=message.creator_id, place=place, version=version, updated_at_ms=at_ms, present=False, news=0)


def news_of_failure(message: video_events.MediaFailed, *, version: int, at_ms: int) -> News:
    """What a creator hears of a refused file."""
    place = Place(kind=NotificationKind.VIDEO_FAILED, video_id=message.video_id)
    return News(user_id=message.creator_id, place=place, version=version, updated_at_ms=at_ms, detail=message.reason)


def fan_out_of(video: video_service_pb2.Video) -> FanOut | None:
    """Who has to hear of a publication besides; None when nobody does."""
    friends_only = video.visibility == video_service_pb2.VISIBILITY_FRIENDS
    if not friends_only and video.visibility not in _FOLLOWED_BY_ALL:
        return None
    return FanOut(
        video_id=video.video_id,
        creator_id=video.creator_id,
        friends_only=friends_only,
        published_at_ms=video.published_at_ms,
        expires_at_ms=video.published_at_ms + rules.KEPT_MS,
    )


def news_of_fan_out(fan_out: FanOut, user_id: int) -> News:
    """What a follower hears of a publication."""
    place = Place(kind=NotificationKind.VIDEO_PUBLISHED, video_id=fan_out.video_id)
    return News(user_id=user_id, place=place, version=1, updated_at_ms=fan_out.published_at_ms, actors=(fan_out.creator_id,))


def news_of_verdict(message: rights_events.VerdictChanged) -> News | None:
    """What a creator hears of a verdict: that somebody has to look, that it is refused, and what a moderator decided. What the rules let through
    at once needs no words, but it takes older words back."""
    verdict = message.verdict
    if not message.creator_id:
        return None
    stops = verdict.kind in (rights_pb.VERDICT_KIND_REVIEW, rights_pb.VERDICT_KIND_BLOCK)
    place = Place(kind=NotificationKind.VERDICT, video_id=verdict.video_id)
    return News(
        user_id=message.creator_id,
        place=place,
        version=verdict.version,
        updated_at_ms=verdict.decided_at_ms,
        present=stops or verdict.decided_by > 0,
        # Each verdict is news of its own.
        news=verdict.version,
        detail=rights_pb.VerdictKind.Name(verdict.kind).removeprefix("VERDICT_KIND_"),
    )


def entry_to_proto(entry: InboxEntry, *, unread: bool) -> pb.Notification:
    """An entry as its owner sees it."""
    return pb.Notification(
        notification_id=entry.notification_id,
        kind=pb.NotificationKind.ValueType(entry.kind),
        video_id=entry.video_id,
        comment_id=entry.comment_id,
        actor_ids=rules.actors_of(entry),
        count=entry.count,
        unread=unread,
        updated_at_ms=entry.updated_at_ms,
        detail=entry.detail,
    )


def settings_to_proto(row: SettingsRow, quiet: QuietHours | None) -> pb.NotificationSettings:
    """What a person chose, of every kind."""
    hours = pb.QuietHours()
    if quiet is not None:
        hours = pb.QuietHours(enabled=True, from_minute=quiet.from_minute, to_minute=quiet.to_minute, time_zone=quiet.zone)
    preferences = []
    for kind in NotificationKind:
        choice = choice_of(row, kind)
        preferences.append(
            pb.NotificationPreference(kind=pb.NotificationKind.ValueType(kind), in_app=choice.in_app, push=choice.push, mail=choice.mail)
        )
    return pb.NotificationSettings(preferences=preferences, quiet_hours=hours)
