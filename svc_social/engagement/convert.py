"""Acts, counts and collections between rows and protos."""

from __future__ import annotations

from collections.abc import Mapping

from clipmesh.social.v1 import comment_service_pb2, events_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb

from svc_social.engagement import rules
from svc_social.engagement.tables import Act, Collection, CountedAct, EngagedVideo, EngagementKind, ShareTarget

CommentEvent = events_pb2.CommentPosted | events_pb2.CommentEdited | events_pb2.CommentModerated | events_pb2.CommentRemoved
Counted = events_pb2.EngagementChanged | CommentEvent
"""Events that move counts of videos."""


def key_of_act(act: Act) -> str:
    """The key of an act's events: those of one act come in their order."""
    return f"{act.video_id}:{act.user_id}:{act.share_id or int(act.kind)}"


def change_to_event(before: Act | None, act: Act, *, personalisation: bool) -> events_pb2.EngagementChanged:
    """What consumers hear of an act."""
    message = events_pb2.EngagementChanged(
        video_id=act.video_id,
        creator_id=act.creator_id,
        user_id=act.user_id,
        kind=pb.EngagementKind.ValueType(act.kind),
        active=act.active,
        acted_at_ms=act.acted_at_ms,
        collection_id=act.collection_id,
        share_id=act.share_id,
        share_target=share_target_to_proto(act.share_target),
        personalisation=personalisation,
        first_acted_at_ms=act.first_acted_at_ms or act.acted_at_ms,
    )
    if before is not None:
        message.before.CopyFrom(
            events_pb2.ActBefore(active=before.active, acted_at_ms=before.acted_at_ms, collection_id=before.collection_id)
        )
    return message


def counted_from_event(message: Counted, *, version: int) -> CountedAct:
    """The member that an event makes of an act, or of a comment: one that is published counts, whatever became of what stands above it."""
    if not isinstance(message, events_pb2.EngagementChanged):
        comment = message.comment
        return rules.counted(
            video_id=comment.video_id,
            kind=EngagementKind.COMMENT,
            member=comment.comment_id,
            present=comment.state == comment_service_pb2.COMMENT_STATE_PUBLISHED,
            version=version,
        )
    return rules.counted(
        video_id=message.video_id,
        kind=EngagementKind(message.kind),
        member=message.share_id or message.user_id,
        present=message.active,
        version=version,
    )


def video_of(message: Counted) -> int:
    """Which video's counts an event moves."""
    return message.video_id if isinstance(message, events_pb2.EngagementChanged) else message.comment.video_id


def places_from_event(message: events_pb2.EngagementChanged, *, version: int) -> tuple[list[EngagedVideo], list[EngagedVideo]]:
    """Where an act stands in its person's lists from now on, and where it no longer does."""
    kind = EngagementKind(message.kind)
    if kind not in rules.LISTED:
        return [], []

    def places(told: events_pb2.EngagementChanged | events_pb2.ActBefore) -> list[EngagedVideo]:
        if not told.active:
            return []
        return rules.places(
            user_id=message.user_id,
            video_id=message.video_id,
            kind=kind,
            collection_id=told.collection_id,
            acted_at_ms=told.acted_at_ms,
            version=version,
        )

    now = places(message)
    return now, [place for place in places(message.before) if place not in now]


def share_target_to_proto(target: ShareTarget) -> pb.ShareTarget.ValueType:
    """The target as it travels."""
    return pb.ShareTarget.ValueType(target)


def share_target_from_proto(target: pb.ShareTarget.ValueType) -> ShareTarget:
    """The target as it is kept."""
    return ShareTarget(target)


def counters_to_proto(video_id: int, counts: Mapping[EngagementKind, int], *, approximate: bool) -> pb.Counters:
    """Counts of a video."""
    return pb.Counters(
        video_id=video_id,
        likes=counts[EngagementKind.LIKE],
        saves=counts[EngagementKind.SAVE],
        shares=counts[EngagementKind.SHARE],
        reposts=counts[EngagementKind.REPOST],
        comments=counts[EngagementKind.COMMENT],
        approximate=approximate,
    )


def collection_to_proto(collection: Collection, *, name: str) -> pb.Collection:
    """What its owner sees."""
    return pb.Collection(
        collection_id=collection.collection_id,
        name=name,
        created_at_ms=collection.created_at_ms,
        version=collection.version,
    )


def engaged_to_proto(place: EngagedVideo) -> pb.EngagedVideo:
    """One place of a list."""
    return pb.EngagedVideo(video_id=place.video_id, acted_at_ms=place.acted_at_ms)
