"""Folds social's own events of comments into lists, like counts and ranks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from clipmesh.social.v1 import events_pb2
from clipmesh.video.v1.events_pb2 import VideoDeleted

from mesh.events.consumers import Gathered, Incoming
from svc_social.comments.actions import Clearing
from svc_social.comments.convert import like_from_event, places_from_facts
from svc_social.comments.rules import UNRANKED, score
from svc_social.comments.store import LikeStore, ListStore, Place, RankStore, ThreadStore

COMMENT_EVENTS = (events_pb2.CommentPosted, events_pb2.CommentEdited, events_pb2.CommentModerated, events_pb2.CommentRemoved)
"""What carries the facts of a comment."""


class PlaceComments(Gathered):
    """Keeps threads in the order of time and what waits for creators. Whoever wrote has done the same already, unless something failed; each place
    carries the version of its news, and so does its deletion: what comes late or twice changes nothing."""

    name = "comments"
    topics = ("social",)

    def __init__(self, *, lists: ListStore) -> None:
        self._lists = lists
        self.handlers = dict.fromkeys(COMMENT_EVENTS, self.alone)

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; holds nothing."""
        taken: list[Place] = []
        left: list[Place] = []
        for event in events:
            now, before = places_from_facts(event.message.comment, version=event.envelope.key_version)
            taken += now
            left += before
        await self._lists.move(taken, left)
        return ()


class DeletedVideos(Gathered):
    """Has videos that are gone cleared. Heard twice, one is cleared twice, which changes nothing."""

    name = "deleted-videos"
    topics = ("video",)

    def __init__(self, *, clearing: Clearing) -> None:
        self._clearing = clearing
        self.handlers = {VideoDeleted: self.alone}

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; holds nothing. The work is done beside, so that no other event waits for it."""
        for event in events:
            await self._clearing.begin(event.message.video_id, deleted_at_ms=event.envelope.occurred_at_ms)
        return ()


class RankThreads(Gathered):
    """Counts likes of comments, and lets threads have the score that follows from what stands in the tables by then.

    No score is taken from an event: whichever comes last, early or twice, it makes the same score be computed from the same rows.
    """

    name = "threads"
    topics = ("social",)

    def __init__(self, *, threads: ThreadStore, likes: LikeStore, ranks: RankStore) -> None:
        self._threads = threads
        self._likes = likes
        self._ranks = ranks
        self.handlers = dict.fromkeys((*COMMENT_EVENTS, events_pb2.CommentLiked), self.alone)

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; holds nothing. Likes are counted before anything is ranked by them."""
        liked = [event for event in events if isinstance(event.message, events_pb2.CommentLiked)]
        await self._likes.count([like_from_event(event.message, version=event.envelope.key_version) for event in liked])
        moved: dict[int, int] = {}
        for event in events:
            message = event.message
            if isinstance(message, events_pb2.CommentLiked):
                if message.comment_id == message.thread_id:
                    moved[message.thread_id] = message.video_id
            elif message.comment.parent_id in (0, message.comment.thread_id):
                moved[message.comment.thread_id] = message.comment.video_id
        await asyncio.gather(*(self._rank(video_id, thread_id) for thread_id, video_id in moved.items()))
        return ()

    async def _rank(self, video_id: int, thread_id: int) -> None:
        async def judge() -> int:
            root = (await self._threads.many([(thread_id,)])).get((thread_id,))
            likes = await self._likes.counts([thread_id])
            return UNRANKED if root is None else score(root, likes=likes[thread_id])

        await self._ranks.bring(video_id, thread_id, judge)
