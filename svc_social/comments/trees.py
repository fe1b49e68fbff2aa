"""Threads as they are read: nodes with children, and what a viewer is not shown cut out with everything below it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from svc_social.comments.rules import stands
from svc_social.comments.tables import Comment, CommentState


@dataclass(slots=True, kw_only=True)
class Node:
    """A comment with those of its children that were read, oldest first."""

    comment: Comment
    children: list[Node] = field(default_factory=list)
    last_child_id: int = 0
    """The last child that was looked for, shown or not: where the others follow."""
    unseen: int = 0
    """How many children were cut out."""
    cursor: str = ""
    """Continues the list behind this node."""

    @property
    def has_more(self) -> bool:
        """Whether more children follow those that were looked for."""
        looked_for = len(self.children) + self.unseen
        return looked_for < self.comment.child_count

    @property
    def total_children(self) -> int:
        """How many children there are for this viewer, as far as they were looked at."""
        return max(len(self.children), self.comment.child_count - self.unseen)


def every(nodes: Iterable[Node]) -> Iterator[Node]:
    """Nodes with all below them, each before what is below it."""
    for node in nodes:
        yield node
        yield from every(node.children)


def people_of(nodes: Iterable[Node]) -> set[int]:
    """Authors and people who are named."""
    found: set[int] = set()
    for node in every(nodes):
        found |= {node.comment.author_id, *node.comment.mentioned_ids}
    return found - {0}


def seen(nodes: Sequence[Node], *, parted: Collection[int]) -> list[Node]:
    """What a viewer is shown: nobody of `parted`, nothing that does not stand, and nothing below what is not shown. Tombstones go with the last
    that is below them."""
    shown: list[Node] = []
    for node in nodes:
        if not stands(node.comment) or node.comment.author_id in parted:
            continue
        below = seen(node.children, parted=parted)
        node.unseen += len(node.children) - len(below)
        node.children = below
        emptied = node.comment.state is CommentState.REMOVED and node.last_child_id and not below and not node.has_more
        if not emptied:
            shown.append(node)
    return shown


def is_seen(chain: Sequence[Comment], *, parted: Collection[int]) -> bool:
    """Whether a viewer may see the last of a chain, which begins at the top: nothing in it is missing, hidden, or of somebody in `parted`."""
    return bool(chain) and all(stands(comment) and comment.author_id not in parted for comment in chain)
