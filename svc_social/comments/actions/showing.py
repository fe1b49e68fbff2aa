"""What a viewer is shown of comments besides their places: texts, likes, people."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mesh.sealing import PersonSealer, Sealed
from svc_social.comments.actions.writing import text_place
from svc_social.comments.store import LikeStore
from svc_social.comments.tables import Comment
from svc_social.comments.trees import Node, every, people_of
from svc_social.graph.actions import Relations
from svc_social.identity.actions import Person, Profiles

MOST_PEOPLE = 500
"""People who come with an answer: authors first, for some of very many who are named nothing is told of whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What belongs to the comments of an answer, by comment."""

    texts: Mapping[int, str | None]
    """None where the author was erased: such a comment is shown as a removed one."""
    likes: Mapping[int, int]
    liked: frozenset[int]
    people: Sequence[Person]
    """Authors and people who are named, without those whom a block parts from the viewer."""
    people_ids: frozenset[int]
    pinned_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """Reads what comments are shown with, each kind once for all of them."""

    likes: LikeStore
    sealer: PersonSealer
    profiles: Profiles
    relations: Relations

    async def parted(self, viewer_id: int, nodes: Sequence[Node]) -> frozenset[int]:
        """Authors and people who are named of whom one blocks the other and the viewer, as of now. What cannot be told is not guessed: it raises."""
        if not viewer_id:
            return frozenset()
        relations = await self.relations.of(viewer_id, sorted(people_of(nodes)))
        return frozenset(one.user_id for one in relations if one.mine.blocks or one.theirs.blocks)

    async def of(self, viewer_id: int, nodes: Sequence[Node], *, parted: Collection[int], pinned_id: int) -> Shown:
        """What belongs to nodes, which hold no comments of `parted`."""
        comments = [node.comment for node in every(nodes)]
        ids = [comment.comment_id for comment in comments]
        authors = {comment.author_id for comment in comments} - {0}
        named = people_of(nodes).difference(parted, authors)
        people = [*sorted(authors), *sorted(named)][:MOST_PEOPLE]
        texts, likes, own, found = await asyncio.gather(
            self.texts(comments), self.likes.counts(ids), self._own(viewer_id, ids), self.profiles.people(people)
        )
        return Shown(
            texts=dict(zip(ids, texts, strict=True)),
            likes=likes,
            liked=own,
            people=found,
            people_ids=frozenset(person.user_id for person in found),
            pinned_id=pinned_id,
        )

    async def texts(self, comments: Sequence[Comment]) -> list[str | None]:
        """Texts in the order of comments; empty for what was removed, None for what is erased."""
        sealed = [
            Sealed(person_id=comment.author_id, field=text_place(comment.comment_id), value=comment.text_sealed) for comment in comments
        ]
        return await self.sealer.unseal_many(sealed)

    async def _own(self, viewer_id: int, ids: Sequence[int]) -> frozenset[int]:
        likes = await self.likes.of_person(viewer_id, ids) if viewer_id and ids else {}
        return frozenset(comment_id for comment_id, like in likes.items() if like.active)
