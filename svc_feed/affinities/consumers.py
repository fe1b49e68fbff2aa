"""Folds social's events of acts into what consenting people did, by creator."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from clipmesh.social.v1 import comment_service_pb2, events_pb2
from google.protobuf.message import Message

from mesh.events.consumers import Incoming, VersionedRow
from svc_feed.affinities.rules import LIFE_MS
from svc_feed.affinities.store import AffinityStore
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement
from svc_feed.consents.actions import Withdrawals

R = TypeVar("R", ViewerEngagement, ViewerComment)


class Engagements(VersionedRow):
    """One row a viewer, video and kind. Shares are acts of their own under one row: the latest of them counts, versions are times."""

    name = "engagements"
    topics = ("social",)

    def __init__(self, *, store: AffinityStore, withdrawals: Withdrawals) -> None:
        self._store = store
        self._withdrawals = withdrawals
        self.handlers = {events_pb2.EngagementChanged: self.changed}

    async def changed(self, event: Incoming[events_pb2.EngagementChanged]) -> ViewerEngagement | None:
        act = event.message
        if not act.creator_id or act.creator_id == act.user_id:
            return None
        row = ViewerEngagement(
            viewer_id=act.user_id,
            creator_id=act.creator_id,
            video_id=act.video_id,
            kind=act.kind,
            active=act.active,
            acted_at_ms=act.acted_at_ms,
            expires_at_ms=act.acted_at_ms + LIFE_MS,
        )
        if not act.personalisation:
            # An act without consent is not kept, nor the row of its predecessor.
            await self._store.forget(replace(row, version=event.envelope.key_version))
            return None
        return await _kept(self._store, self._withdrawals, row, event)


CommentEvent = events_pb2.CommentPosted | events_pb2.CommentEdited | events_pb2.CommentModerated | events_pb2.CommentRemoved


class Comments(VersionedRow):
    """One row a comment, active while it is published."""

    name = "comments"
    topics = ("social",)

    def __init__(self, *, store: AffinityStore, withdrawals: Withdrawals) -> None:
        self._store = store
        self._withdrawals = withdrawals
        kinds = (events_pb2.CommentPosted, events_pb2.CommentEdited, events_pb2.CommentModerated, events_pb2.CommentRemoved)
        self.handlers = dict.fromkeys(kinds, self.changed)

    async def changed(self, event: Incoming[CommentEvent]) -> ViewerComment | None:
        comment = event.message.comment
        if not comment.author_id or comment.author_id == comment.video_owner_id:
            return None
        row = ViewerComment(
            viewer_id=comment.author_id,
            creator_id=comment.video_owner_id,
            comment_id=comment.comment_id,
            active=comment.state == comment_service_pb2.COMMENT_STATE_PUBLISHED,
            acted_at_ms=comment.posted_at_ms,
            expires_at_ms=comment.posted_at_ms + LIFE_MS,
        )
        if not comment.personalisation:
            # Written without consent, or removed: then nobody knows any more with which, and nothing is kept either way.
            await self._store.forget(replace(row, version=event.envelope.key_version))
            return None
        return await _kept(self._store, self._withdrawals, row, event)


async def _kept(store: AffinityStore, withdrawals: Withdrawals, row: R, event: Incoming[Message]) -> R | None:
    """The row, unless the person withdrew the consent since: looked at after it is written, for a withdrawal that is heard of at this moment drops
    what it finds."""
    version = event.envelope.key_version
    if version < 1:
        return row
    await store.keep(replace(row, version=version))
    if row.acted_at_ms > await withdrawals.until_ms(row.viewer_id):
        return row
    await store.forget(replace(row, version=version))
    return None
