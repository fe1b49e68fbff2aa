"""Taking comments back, and what the creator of a video does with those of others: hide, approve, pin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.stores.tables.requests import Claim, RequestLog, is_applied, with_applied
from svc_social.comments import rules
from svc_social.comments.actions.asked import Actor, Asked
from svc_social.comments.actions.telling import Telling
from svc_social.comments.errors import CommentNotFound, CommentNotPinnable
from svc_social.comments.store import Changed, ChoiceStore, ThreadStore
from svc_social.comments.tables import Comment, CommentState, PinnedComment


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderating:
    """Changes where comments stand."""

    threads: ThreadStore
    choices: ChoiceStore
    requests: RequestLog
    telling: Telling
    next_id: Callable[[], int]
    clock: Clock

    async def delete(self, actor: Actor, comment_id: int, *, asked: Asked) -> None:
        """Erase text, author and earlier texts of a comment of the actor, of anybody for a moderator. Raises CommentNotFound, RequestIdReused."""
        known = await asked.known(self.requests, actor)
        chain = await self.threads.chain(comment_id)
        if known is not None and chain and chain[-1].state is CommentState.REMOVED:
            # Nothing in the row tells any more whose it was; the request does.
            return await self.telling.place(chain[-1])
        _check_deletable(actor, chain)
        claim = await asked.claim(self.requests, actor, self.next_id)

        def judge(chain: Sequence[Comment]) -> Changed | None:
            if chain[-1].state is CommentState.REMOVED:
                return None
            _check_deletable(actor, chain)
            gone = rules.removed(chain[-1])
            return Changed(replace(gone, applied=with_applied(gone.applied, claim)), forgets_revisions=True)

        removed = await self.threads.change(comment_id, judge, events=self.telling.removed)
        if removed is None:
            raise CommentNotFound()
        await self.telling.place(removed)
        return None

    async def hide(self, actor: Actor, comment_id: int, *, asked: Asked) -> Comment:
        """Take a comment off a video of the actor. Raises CommentNotFound, RequestIdReused, Aborted."""
        return await self._move(actor, comment_id, CommentState.HIDDEN, asked=asked)

    async def approve(self, actor: Actor, comment_id: int, *, asked: Asked) -> Comment:
        """Show a comment of a video of the actor. Raises CommentNotFound, RequestIdReused, Aborted."""
        return await self._move(actor, comment_id, CommentState.PUBLISHED, asked=asked)

    async def pin(self, actor: Actor, comment_id: int, *, asked: Asked) -> Comment:
        """The comment, pinned unless another was pinned since. Raises CommentNotFound, CommentNotPinnable, RequestIdReused, Aborted."""
        comment = _of_video(actor, await self.threads.chain(comment_id))
        if comment.parent_id or comment.state is not CommentState.PUBLISHED:
            raise CommentNotPinnable()
        await self._pin(actor, comment, comment_id, asked=asked)
        return comment

    async def unpin(self, actor: Actor, comment_id: int, *, asked: Asked) -> Comment:
        """The comment, not pinned. Raises CommentNotFound, RequestIdReused, Aborted."""
        comment = _of_video(actor, await self.threads.chain(comment_id))
        await self._pin(actor, comment, 0, asked=asked)
        return comment

    async def _move(self, actor: Actor, comment_id: int, state: CommentState, *, asked: Asked) -> Comment:
        standing = _of_video(actor, await self.threads.chain(comment_id))
        claim = await asked.claim(self.requests, actor, self.next_id)
        now_ms = self.clock.now_ms()

        def judge(chain: Sequence[Comment]) -> Changed | None:
            row = _of_video(actor, chain)
            if is_applied(row.applied, claim):
                return None
            shown_at_ms = row.shown_at_ms or (now_ms if state is CommentState.PUBLISHED else 0)
            # Also what changes nothing is noted: repeated after another act, it would change something.
            return Changed(replace(row, state=state, shown_at_ms=shown_at_ms, applied=with_applied(row.applied, claim)))

        answered = await self.threads.chain(standing.answers_id) if standing.answers_id else []
        answered_author_id = answered[-1].author_id if answered else 0
        moved = await self.threads.change(
            comment_id,
            judge,
            events=lambda before, after: self.telling.moderated(before, after, answered_author_id=answered_author_id),
        )
        if moved is None:
            raise CommentNotFound()
        await self.telling.place(moved)
        return moved

    async def _pin(self, actor: Actor, comment: Comment, pinned_id: int, *, asked: Asked) -> None:
        claim: Claim = await asked.claim(self.requests, actor, self.next_id)

        def change(row: PinnedComment) -> PinnedComment | None:
            if is_applied(row.applied, claim):
                return None
            # Unpinning speaks of one comment: another that was pinned since stays.
            wanted = pinned_id or (0 if row.comment_id == comment.comment_id else row.comment_id)
            return replace(row, comment_id=wanted, applied=with_applied(row.applied, claim))

        await self.choices.pin(comment.video_id, change)


def _of_video(actor: Actor, chain: Sequence[Comment]) -> Comment:
    """A comment of a video of the actor. Raises CommentNotFound."""
    if not chain or chain[-1].owner_id != actor.user_id or chain[-1].state is CommentState.REMOVED:
        raise CommentNotFound()
    return chain[-1]


def _check_deletable(actor: Actor, chain: Sequence[Comment]) -> None:
    """Raises CommentNotFound."""
    if not chain or chain[-1].state is CommentState.REMOVED:
        raise CommentNotFound()
    if chain[-1].author_id != actor.user_id and not actor.is_moderator:
        raise CommentNotFound()
