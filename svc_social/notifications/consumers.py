"""Turns everyone's events into notifications; each event says of what it tells how that stands in which version, so none counts twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.social.v1 import events_pb2
from clipmesh.video.v1 import events_pb2 as video_events

from mesh.events.consumers import Gathered, Incoming, Rejected
from svc_social.notifications import convert
from svc_social.notifications.actions import Publishing, Receiving
from svc_social.notifications.rules import Act, News

_COMMENTS = (events_pb2.CommentPosted, events_pb2.CommentEdited, events_pb2.CommentModerated, events_pb2.CommentRemoved)


class NotifiedPeople(Gathered):
    """What people did: acts are put into their groups many at once, a group in one commit."""

    name = "notified-people"
    topics = ("social",)

    def __init__(self, *, receiving: Receiving) -> None:
        self._receiving = receiving
        self.handlers = {
            events_pb2.EngagementChanged: self.alone,
            events_pb2.BondChanged: self.alone,
            events_pb2.CommentPosted: self.alone,
            events_pb2.CommentEdited: self.alone,
            events_pb2.CommentModerated: self.alone,
            events_pb2.CommentRemoved: self.alone,
            events_pb2.CommentLiked: self.alone,
            events_pb2.RefreshTokenReused: self.alone,
        }

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; holds nothing."""
        comments = [event for event in events if isinstance(event.message, _COMMENTS)]
        await self._receiving.acts([act for event in events if not isinstance(event.message, _COMMENTS) for act in _acts(event)])
        await self._receiving.comments([convert.acts_of_comment(event.message.comment, version=_version(event)) for event in comments])
        for event in events:
            if isinstance(event.message, events_pb2.BondChanged):
                for user_id, gone_id in convert.partings_of(event.message):
                    envelope = event.envelope
                    await self._receiving.part(
                        user_id, gone_id, version=envelope.event_id, bond_version=_version(event), at_ms=envelope.occurred_at_ms
                    )
        reuses = [event.message for event in events if isinstance(event.message, events_pb2.RefreshTokenReused)]
        await self._receiving.news([convert.news_of_reuse(message) for message in reuses])
        return ()


class NotifiedCreators(Gathered):
    """What became of people's videos, and to whom else their publication is told."""

    name = "notified-creators"
    topics = ("video", "rights")

    def __init__(self, *, receiving: Receiving, publishing: Publishing) -> None:
        self._receiving = receiving
        self._publishing = publishing
        self.handlers = {
            video_events.VideoPublished: self.alone,
            video_events.VideoWithdrawn: self.alone,
            video_events.MediaFailed: self.alone,
            rights_events.VerdictChanged: self.alone,
        }

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; holds nothing. Followers are told beside, so that no other video waits for them."""
        await self._receiving.news([news for event in events if (news := _news(event)) is not None])
        for event in events:
            if isinstance(event.message, video_events.VideoPublished):
                fan_out = convert.fan_out_of(event.message.video)
                if fan_out is not None:
                    await self._publishing.begin(fan_out)
        return ()


def _acts(event: Incoming[Any]) -> list[Act]:
    message = event.message
    if isinstance(message, events_pb2.RefreshTokenReused):
        return []
    version = _version(event)
    if isinstance(message, events_pb2.EngagementChanged):
        return convert.acts_of_engagement(message, version=version)
    if isinstance(message, events_pb2.BondChanged):
        return convert.acts_of_bond(message, version=version)
    return convert.acts_of_comment_like(message, version=version)


def _news(event: Incoming[Any]) -> News | None:
    message = event.message
    if isinstance(message, rights_events.VerdictChanged):
        return convert.news_of_verdict(message)
    version, at_ms = _version(event), event.envelope.occurred_at_ms
    if isinstance(message, video_events.VideoPublished):
        return convert.news_of_video(message.video, version=version)
    if isinstance(message, video_events.VideoWithdrawn):
        return convert.news_of_withdrawal(message, version=version, at_ms=at_ms)
    return convert.news_of_failure(message, version=version, at_ms=at_ms)


def _version(event: Incoming[Any]) -> int:
    version = event.envelope.key_version
    if version < 1:
        raise Rejected("EVENT_WITHOUT_VERSION", f"{event.envelope.type} carries no key_version")
    return version
