"""Rows of threads: comments with what stands above them, changed in one step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mesh.events.event import Event
from mesh.stores.tables.port import Change, Insert, OutcomeUnknown, Page, Remove, RowExists, Tables, Transition, VersionConflict
from svc_social.comments import rules
from svc_social.comments.tables import Comment, CommentPlace, VideoRoot

ATTEMPTS = 16
"""How often a change is judged again because somebody else changed the thread meanwhile."""
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1
_PAGE = 1_000
"""Most rows of a page, and most keys of a read."""

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What becomes of a comment."""

    comment: Comment
    replaced: Comment | None = None
    """The comment whose text goes to the revisions; None when none does."""
    forgets_revisions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStore:
    """Repository of comments."""

    tables: Tables

    async def paths(self, comment_ids: Sequence[int]) -> dict[int, CommentPlace]:
        """Where comments are, without those that nobody wrote; at most 1,000."""
        rows = await self.tables.get_many(CommentPlace, [(comment_id,) for comment_id in comment_ids])
        return {row.comment_id: row for row in rows.values()}

    async def chain(self, comment_id: int) -> list[Comment]:
        """A comment with everything above it, the top first; empty when there is no such comment."""
        place = (await self.paths([comment_id])).get(comment_id)
        if place is None:
            return []
        ids = tuple(map(int, place.path.split()))
        return _along(ids, await self.many(_prefixes(ids)))

    async def many(self, paths: Sequence[Ids]) -> dict[Ids, Comment]:
        """Comments by path, in one read for each 1,000; absent ones are absent."""
        keys = {_key(path): path for path in paths}
        asked = list(keys)
        found: dict[Ids, Comment] = {}
        for start in range(0, len(asked), _PAGE):
            rows = await self.tables.get_many(Comment, asked[start : start + _PAGE])
            found |= {keys[key]: row for key, row in rows.items()}
        return found

    async def children(self, parent: Comment, *, after_id: int, limit: int) -> list[Comment]:
        """Comments right below one, whatever became of them, with ids behind `after_id`; fewer than `limit` at the end alone."""
        found: list[Comment] = []
        cursor = ""
        while len(found) < limit:
            page = await self.tables.scan(
                Comment,
                parent.thread_id,
                first=(0, parent.comment_id, after_id + 1),
                last=(0, parent.comment_id),
                after=cursor,
                limit=limit - len(found),
            )
            found += page.rows
            cursor = page.next
            if not cursor:
                break
        return found

    async def every(self, thread_id: int, *, after: str, limit: int) -> Page[Comment]:
        """Comments of a thread, whatever became of them; earlier texts are left out."""
        return await self.tables.scan(Comment, thread_id, first=(0,), last=(0,), after=after, limit=limit)

    async def revisions(self, comment: Comment) -> list[Comment]:
        """Earlier texts, newest first."""
        numbers = _kept(comment.edits)
        keys = [(comment.thread_id, number, comment.parent_id, comment.comment_id) for number in numbers]
        rows = await self.tables.get_many(Comment, keys)
        return [rows[key] for key in reversed(keys) if key in rows]

    async def add(
        self, comment: Comment, *, answered: int, check: Callable[[Sequence[Comment]], None], events: Callable[[Comment], Sequence[Event]]
    ) -> Comment:
        """Write a new comment below what is above it, or find it when it was written before. `check` is given what is answered with everything
        above it, as it stands when the comment is written, and may refuse. Raises VersionConflict."""
        await self.tables.put(CommentPlace(comment_id=comment.comment_id, video_id=comment.video_id, path=comment.path, version=1))
        if not comment.parent_id:
            shard = rules.root_shard_of(comment.thread_id)
            await self.tables.put(VideoRoot(video_id=comment.video_id, shard=shard, thread_id=comment.thread_id, version=1))
        for attempt in range(1, ATTEMPTS + 1):
            standing = await self.tables.get(Comment, comment.thread_id, 0, comment.parent_id, comment.comment_id)
            if standing is not None:
                return standing
            chain = await self.chain(answered) if answered else []
            check(chain)
            above = [one for one in chain if one.comment_id in comment.ids]
            changed = rules.woven(above, None, comment)
            changes: list[Change] = [Insert(comment), *(Transition(row, row.version) for row in changed[1:])]
            if await self._commit(changes, events(comment)):
                return replace(comment, version=1)
            await _pause(attempt)
        raise VersionConflict(None)

    async def change(
        self,
        comment_id: int,
        judge: Callable[[Sequence[Comment]], Changed | None],
        *,
        events: Callable[[Sequence[Comment], Sequence[Comment]], Sequence[Event]],
    ) -> Comment | None:
        """The comment after a change that `judge` makes of the chain down to it; None from it leaves everything as it is. What is above follows in
        the same step. `events` is given the rows before and after, the comment first. None when there is no such comment. Raises
        VersionConflict, and what `judge` raises."""
        for attempt in range(1, ATTEMPTS + 1):
            chain = await self.chain(comment_id)
            if not chain:
                return None
            made = judge(chain)
            if made is None:
                return chain[-1]
            rows = rules.woven(chain[:-1], chain[-1], made.comment)
            rows = [rows[0], *[await self._filled(row, gone=rows[at].comment_id) for at, row in enumerate(rows[1:])]]
            known = {row.comment_id: row for row in chain}
            before = [known[row.comment_id] for row in rows]
            changes: list[Change] = [Transition(row, row.version) for row in rows]
            changes += await self._revised(chain[-1], made)
            if await self._commit(changes, events(before, rows)):
                return replace(rows[0], version=rows[0].version + 1)
            await _pause(attempt)
        raise VersionConflict(None)

    async def _filled(self, row: Comment, *, gone: int) -> Comment:
        """A parent that lost one of its first children, with the next in its place."""
        if not rules.lacks_children(row):
            return row
        wanted = min(rules.INLINE_CHILDREN, row.child_count)
        first: list[int] = []
        after_id = 0
        while len(first) < wanted:
            page = await self.children(row, after_id=after_id, limit=_PAGE)
            first += [one.comment_id for one in page if one.comment_id != gone and rules.stands(one)]
            if len(page) < _PAGE:
                break
            after_id = page[-1].comment_id
        return replace(row, first_children=rules.joined(first[:wanted]))

    async def _revised(self, standing: Comment, made: Changed) -> list[Change]:
        if made.forgets_revisions:
            return [Remove(replace(row, text_sealed=b""), row.version) for row in await self.revisions(standing)]
        if made.replaced is None:
            return []
        old = made.replaced
        number = made.comment.edits
        earlier = replace(
            old, revision=number, posted_at_ms=old.edited_at_ms or old.posted_at_ms, applied="", first_children="", mentioned="", version=0
        )
        changes: list[Change] = [Insert(earlier)]
        if number > rules.REVISIONS_KEPT:
            oldest = replace(earlier, revision=number - rules.REVISIONS_KEPT)
            changes.append(Remove(oldest, 1))
        return changes

    async def _commit(self, changes: Sequence[Change], events: Sequence[Event]) -> bool:
        try:
            await self.tables.commit(*changes, events=events)
        except (RowExists, VersionConflict):
            return False
        except OutcomeUnknown as unknown:
            return await self.tables.settle(unknown.token)
        return True


def _key(path: Ids) -> tuple[int, int, int, int]:
    return path[0], 0, path[-2] if len(path) > 1 else 0, path[-1]


def _prefixes(ids: Ids) -> list[Ids]:
    return [ids[: length + 1] for length in range(len(ids))]


def _along(ids: Ids, rows: Mapping[Ids, Comment]) -> list[Comment]:
    """The chain, empty unless it is whole: nothing is told of a comment whose parents are not there yet."""
    prefixes = _prefixes(ids)
    return [rows[path] for path in prefixes] if all(path in rows for path in prefixes) else []


def _kept(edits: int) -> range:
    return range(max(1, edits - rules.REVISIONS_KEPT + 1), edits + 1)


async def _pause(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 - only parts writers
