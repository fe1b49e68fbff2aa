"""Clearing: what people said and did about a video goes when the video is gone.

Everything is taken back as its people would: lists, counts, ranks, notifications and the feed follow from the events, in whatever order they are
heard, and a second time changes nothing. So nobody keeps a place where it was, and two processes may clear one video.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.deadline import scope
from svc_social.comments import rules
from svc_social.comments.actions.liking import Liking
from svc_social.comments.actions.telling import Telling
from svc_social.comments.store import Changed, ChoiceStore, GoneStore, ThreadStore
from svc_social.comments.tables import Comment, CommentState, DeletedVideo, PinnedComment

EVERY_S = 5.0
"""How often somebody looks for videos whose time has come."""
DUE_AFTER_MS = 60_000
"""How long after its end a video is cleared: longer than a permit for it lives, and than any call that carries one."""
AT_ONCE = 100
"""Rows of one batch; each has a deadline of its own, and between two of them others have their turn."""
_BATCH_S = 20.0

_log = logging.getLogger("clipmesh.social")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """Takes back what hangs on videos that are gone."""

    gone: GoneStore
    threads: ThreadStore
    choices: ChoiceStore
    liking: Liking
    telling: Telling
    acts_of_video: Callable[[int], Awaitable[object]] | None
    """Takes back what people did with a video; again changes nothing."""
    clock: Clock

    async def begin(self, video_id: int, *, deleted_at_ms: int) -> None:
        """Have a video cleared in a while."""
        await self.gone.note(video_id, due_at_ms=deleted_at_ms + DUE_AFTER_MS)

    async def run(self) -> None:
        """Work for ever."""
        while True:
            try:
                await self.work()
            except Exception as error:  # a store that is away must not end the clearing
                _log.warning("videos wait to be cleared", extra={"error_type": type(error).__name__})
            await asyncio.sleep(EVERY_S)

    async def work(self) -> None:
        """Clear every video whose time has come; one that fails does not keep the others."""
        with scope(_BATCH_S):
            due = await self.gone.due(now_ms=self.clock.now_ms())
        for noted in due:
            try:
                await self._clear(noted)
            except Exception as error:  # what is left of it is taken back at the next look
                _log.warning("a video is cleared again", extra={"video_id": noted.video_id, "error_type": type(error).__name__})

    async def _clear(self, noted: DeletedVideo) -> None:
        if self.acts_of_video is not None:
            await self.acts_of_video(noted.video_id)
        for shard in range(rules.ROOT_SHARDS):
            after = ""
            while True:
                with scope(_BATCH_S):
                    page = await self.gone.roots(noted.video_id, shard, after=after, limit=AT_ONCE)
                for root in page.rows:
                    await self._clear_thread(root.thread_id)
                    with scope(_BATCH_S):
                        await self.gone.forget(root)
                after = page.next
                if not after:
                    break
        with scope(_BATCH_S):
            await self.choices.pin(noted.video_id, _unpinned)
            await self.gone.strike(noted)

    async def _clear_thread(self, thread_id: int) -> None:
        after = ""
        while True:
            with scope(_BATCH_S):
                page = await self.threads.every(thread_id, after=after, limit=AT_ONCE)
            for comment in page.rows:
                with scope(_BATCH_S):
                    await self.liking.clear(comment, at_once=AT_ONCE)
                    await self._remove(comment)
            after = page.next
            if not after:
                return

    async def _remove(self, comment: Comment) -> None:
        if comment.state is CommentState.REMOVED:
            return
        removed = await self.threads.change(comment.comment_id, _gone, events=self.telling.removed)
        if removed is not None:
            await self.telling.place(removed)


def _gone(chain: Sequence[Comment]) -> Changed | None:
    if chain[-1].state is CommentState.REMOVED:
        return None
    return Changed(rules.removed(chain[-1]), forgets_revisions=True)


def _unpinned(pin: PinnedComment) -> PinnedComment | None:
    return replace(pin, comment_id=0) if pin.comment_id else None
