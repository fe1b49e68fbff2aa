"""Events of comments, and the lists that follow from them at once, so that whoever wrote sees it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.social.v1 import events_pb2

from mesh.events.event import Event, EventMaker
from mesh.stores.tables.errors import TablesError
from svc_social.comments.convert import facts_to_proto, state_to_proto
from svc_social.comments.rules import stands
from svc_social.comments.store import ListStore, places
from svc_social.comments.tables import Comment, CommentState

_log = logging.getLogger("clipmesh.social")

CommentEvent = events_pb2.CommentPosted | events_pb2.CommentEdited | events_pb2.CommentModerated | events_pb2.CommentRemoved


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Makes events, and places comments in lists without waiting for them."""

    events: EventMaker
    lists: ListStore

    def posted(self, comment: Comment, *, answered_author_id: int) -> Sequence[Event]:
        """A new comment."""
        return [self._event(None, comment, events_pb2.CommentPosted(), answered_author_id=answered_author_id)]

    def edited(
        self, before: Sequence[Comment], after: Sequence[Comment], *, answered_author_id: int, added: Sequence[int]
    ) -> Sequence[Event]:
        """Another text."""
        message = events_pb2.CommentEdited(added_mentioned_ids=added)
        own = self._event(before[0], after[0], message, answered_author_id=answered_author_id)
        return [own, *self._above(before, after)]

    def moderated(self, before: Sequence[Comment], after: Sequence[Comment], *, answered_author_id: int) -> Sequence[Event]:
        """Hidden or approved; nothing when it stays what it is."""
        if before[0].state is after[0].state:
            return ()
        message = events_pb2.CommentModerated(before=state_to_proto(before[0].state))
        own = self._event(before[0], after[0], message, answered_author_id=answered_author_id)
        return [own, *self._above(before, after)]

    def removed(self, before: Sequence[Comment], after: Sequence[Comment]) -> Sequence[Event]:
        """Without text and author from now on."""
        return [self._event(before[0], after[0], events_pb2.CommentRemoved()), *self._above(before, after)]

    async def place(self, comment: Comment) -> None:
        """Bring the lists up to a comment. Its event does the same, so nothing is lost when this fails."""
        taken, left = places(
            video_id=comment.video_id,
            owner_id=comment.owner_id,
            thread_id=comment.thread_id,
            comment_id=comment.comment_id,
            stands=stands(comment),
            is_held=comment.state is CommentState.HELD,
            version=comment.version,
        )
        try:
            await self.lists.move(taken, left)
        except TablesError:
            _log.warning("a comment is placed by its event", exc_info=True)

    def _above(self, before: Sequence[Comment], after: Sequence[Comment]) -> list[Event]:
        """Of tombstones that got or lost their place with what stands below them."""
        pairs = list(zip(before, after, strict=True))[1:]
        return [self._event(old, new, events_pb2.CommentRemoved()) for old, new in pairs if stands(old) is not stands(new)]

    def _event(self, before: Comment | None, after: Comment, message: CommentEvent, *, answered_author_id: int = 0) -> Event:
        author_id = after.author_id or (before.author_id if before is not None else 0)
        first_shown = after.shown_at_ms > 0 and (before is None or before.shown_at_ms == 0)
        message.comment.CopyFrom(facts_to_proto(after, author_id=author_id, answered_author_id=answered_author_id, first_shown=first_shown))
        subjects = tuple(dict.fromkeys(one for one in (author_id, after.owner_id, answered_author_id, *after.mentioned_ids) if one))
        return self.events.make(
            message, key=str(after.comment_id), subject_ids=subjects, key_version=before.version + 1 if before is not None else 1
        )
