"""Reading comments: pages of threads, replies, what stands above a comment, what waits, and earlier texts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from clipmesh.common.v1 import permit_pb2

from mesh.permits import Permits
from svc_social.comments.actions.asked import Actor
from svc_social.comments.actions.showing import Showing, Shown
from svc_social.comments.actions.writing import ISSUER
from svc_social.comments.errors import CommentNotFound
from svc_social.comments.rules import MOST_LEVELS, MOST_NODES, stands
from svc_social.comments.store import ChoiceStore, ListStore, RankStore, ThreadStore
from svc_social.comments.tables import Comment, CommentState
from svc_social.comments.trees import Node, is_seen, seen

_ROUNDS = 5
"""How often more is read because what was read is not shown; a page may be short after that."""
START = "0"
"""A cursor before everything: behind the pinned comment, and where children follow of which none was read."""


_More = Callable[[str, int], Awaitable[tuple[list[tuple[int, str]], str]]]
"""The next threads behind a cursor, at most so many, each with the cursor behind it; and the cursor behind all that was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How much of each thread is wanted."""

    levels: int = MOST_LEVELS
    children: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Nodes as a viewer sees them, and where to go on; empty at the end."""

    nodes: Sequence[Node]
    next: str
    shown: Shown


@dataclass(slots=True)
class _Taken:
    """Nodes at the top of a page that is being read."""

    nodes: list[Node] = field(default_factory=list)
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reads comments. A page costs one read of comments a level, whatever stands in it, and a fixed number of others beside them."""

    threads: ThreadStore
    lists: ListStore
    ranks: RankStore
    choices: ChoiceStore
    showing: Showing
    permits: Permits

    def check(self, viewer_id: int, video_id: int, permit: permit_pb2.SignedPermit) -> None:
        """Raises InvalidPermit unless video lets the viewer see the video."""
        self.permits.verify(permit, issuer=ISSUER, kind=permit_pb2.PERMIT_KIND_VIEW, subject_id=video_id, viewer_id=viewer_id)

    async def newest(self, viewer_id: int, video_id: int, *, oldest_first: bool, after: str, size: int, wanted: Wanted) -> Page:
        """Threads in the order of time."""

        async def more(cursor: str, limit: int) -> tuple[list[tuple[int, str]], str]:
            page = await self.lists.threads(video_id, oldest_first=oldest_first, after=cursor, limit=limit)
            return [(one, str(one)) for one in page.ids], page.last

        return await self._threads(viewer_id, video_id, more, after=after, size=size, wanted=wanted)

    async def top(self, viewer_id: int, video_id: int, *, after: str, size: int, wanted: Wanted) -> Page:
        """Threads in the order of scores. One whose score changes between two pages may come twice or not at all; others stay where they are."""

        async def more(cursor: str, limit: int) -> tuple[list[tuple[int, str]], str]:
            return await self.ranks.page(video_id, after=cursor, limit=limit)

        return await self._threads(viewer_id, video_id, more, after=after, size=size, wanted=wanted)

    async def replies(self, viewer_id: int, video_id: int, comment_id: int, *, after: str, size: int, wanted: Wanted) -> Page:
        """What stands right below a comment, oldest first. Raises CommentNotFound."""
        chain = await self.threads.chain(comment_id)
        await self._check_seen(viewer_id, video_id, chain)
        parent, after_id = chain[-1], int(after or 0)
        taken = _Taken()
        for _ in range(_ROUNDS):
            limit = size - len(taken.nodes)
            rows = await self.threads.children(parent, after_id=after_id, limit=limit)
            taken.nodes += [Node(comment=row, cursor=str(row.comment_id)) for row in rows if stands(row)]
            after_id = rows[-1].comment_id if rows else after_id
            taken.next = str(after_id) if len(rows) == limit else ""
            if not taken.next or len(taken.nodes) == size:
                break
        levels = min(wanted.levels, MOST_LEVELS - parent.level)
        return await self._page(viewer_id, video_id, taken, Wanted(levels=levels, children=wanted.children))

    async def path(self, viewer_id: int, video_id: int, comment_id: int) -> Page:
        """A comment with everything above it, as nodes without children, the top first. Raises CommentNotFound."""
        chain = await self.threads.chain(comment_id)
        parted = await self._check_seen(viewer_id, video_id, chain)
        nodes = [Node(comment=one) for one in chain]
        pinned = await self.choices.pinned(video_id)
        shown = await self.showing.of(viewer_id, nodes, parted=parted, pinned_id=pinned.comment_id)
        return Page(nodes=nodes, next="", shown=shown)

    async def held(self, owner_id: int, *, after: str, size: int) -> Page:
        """What waits for a creator, oldest first."""
        nodes: list[Node] = []
        for _ in range(_ROUNDS):
            page = await self.lists.held(owner_id, after_id=int(after or 0), limit=size - len(nodes))
            known = await self.threads.paths(page.ids)
            paths = [tuple(map(int, known[one].path.split())) for one in page.ids if one in known]
            rows = await self.threads.many(paths)
            found = [rows[path] for path in paths if path in rows]
            nodes += [Node(comment=row, cursor=str(row.comment_id)) for row in found if row.state is CommentState.HELD]
            after = page.last
            if not after or len(nodes) == size:
                break
        parted = await self.showing.parted(owner_id, nodes)
        nodes = [node for node in nodes if node.comment.author_id not in parted]
        return Page(nodes=nodes, next=after, shown=await self.showing.of(owner_id, nodes, parted=parted, pinned_id=0))

    async def revisions(self, actor: Actor, comment_id: int) -> list[tuple[Comment, str | None]]:
        """Earlier texts of a comment, newest first, for its author, the video's creator and moderators. Raises CommentNotFound."""
        chain = await self.threads.chain(comment_id)
        comment = chain[-1] if chain else None
        if comment is None or comment.state is CommentState.REMOVED:
            raise CommentNotFound()
        if actor.user_id not in {comment.author_id, comment.owner_id} and not actor.is_moderator:
            raise CommentNotFound()
        rows = await self.threads.revisions(comment)
        return list(zip(rows, await self.showing.texts(rows), strict=True))

    async def one(self, viewer_id: int, comment: Comment) -> Page:
        """A comment that the viewer just changed, alone."""
        pinned = await self.choices.pinned(comment.video_id)
        node = Node(comment=comment)
        parted = await self.showing.parted(viewer_id, [node])
        shown = await self.showing.of(viewer_id, [node], parted=parted, pinned_id=pinned.comment_id)
        return Page(nodes=[node], next="", shown=shown)

    async def _threads(
        self,
        viewer_id: int,
        video_id: int,
        more: _More,
        *,
        after: str,
        size: int,
        wanted: Wanted,
    ) -> Page:
        pinned_id = (await self.choices.pinned(video_id)).comment_id
        taken, cursor = _Taken(), "" if after == START else after
        asked: list[tuple[int, str]] = [] if after or not pinned_id else [(pinned_id, START)]
        for _ in range(_ROUNDS):
            limit = size - len(taken.nodes) - len(asked)
            found, taken.next = await more(cursor, limit) if limit > 0 else ([], START)
            asked += [(thread_id, behind) for thread_id, behind in found if thread_id != pinned_id]
            rows = await self.threads.many([(thread_id,) for thread_id, _ in asked])
            taken.nodes += [
                Node(comment=rows[(thread_id,)], cursor=behind)
                for thread_id, behind in asked
                if (thread_id,) in rows and stands(rows[(thread_id,)])
            ]
            asked, cursor = [], taken.next
            if not cursor or len(taken.nodes) >= size:
                break
        return await self._page(viewer_id, video_id, taken, wanted, pinned_id=pinned_id)

    async def _page(self, viewer_id: int, video_id: int, taken: _Taken, wanted: Wanted, *, pinned_id: int = 0) -> Page:
        nodes = [node for node in taken.nodes if node.comment.video_id == video_id]
        await self._fill(nodes, wanted)
        parted = await self.showing.parted(viewer_id, nodes)
        left = seen(nodes, parted=parted)
        return Page(nodes=left, next=taken.next, shown=await self.showing.of(viewer_id, left, parted=parted, pinned_id=pinned_id))

    async def _fill(self, nodes: Sequence[Node], wanted: Wanted) -> None:
        """Read children level by level, each level in one read, as long as there is room."""
        room, level = MOST_NODES - len(nodes), list(nodes)
        for _ in range(wanted.levels - 1):
            asked: list[tuple[Node, tuple[int, ...]]] = []
            for node in level:
                for child_id in node.comment.children[: min(wanted.children, room)]:
                    asked.append((node, (*node.comment.ids, child_id)))
                    node.last_child_id = child_id
                    room -= 1
            if not asked:
                break
            rows = await self.threads.many([path for _, path in asked])
            level = []
            for node, path in asked:
                if path in rows:
                    child = Node(comment=rows[path])
                    node.children.append(child)
                    level.append(child)
                else:
                    node.unseen += 1

    async def _check_seen(self, viewer_id: int, video_id: int, chain: Sequence[Comment]) -> frozenset[int]:
        """Who of the people in a chain is parted from the viewer. Raises CommentNotFound unless the viewer may see the last of it, of the video."""
        if not chain or chain[-1].video_id != video_id:
            raise CommentNotFound()
        parted = await self.showing.parted(viewer_id, [Node(comment=one) for one in chain])
        if not is_seen(chain, parted=parted):
            raise CommentNotFound()
        return parted
