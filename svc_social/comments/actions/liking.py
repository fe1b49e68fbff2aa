"""Likes of comments: durable acts, of which the one that was asked for last counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import events_pb2

from mesh.events.event import EventMaker
from mesh.ids import NextId, decode
from mesh.permits import Permits
from mesh.stores.tables.requests import RequestLog
from svc_social.comments import rules
from svc_social.comments.actions.asked import Actor, Asked
from svc_social.comments.actions.writing import ISSUER
from svc_social.comments.errors import CommentNotFound
from svc_social.comments.store import LikeStore, ThreadStore
from svc_social.comments.tables import Comment, CommentLike, CommentState
from svc_social.comments.trees import is_seen
from svc_social.graph.actions import Relations


@dataclass(frozen=True, slots=True)
class Liked:
    """How things stand between a person and a comment."""

    liked: bool
    likes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Liking:
    """Records likes. Needs the tables and nothing else: counts and ranks follow from the events."""

    threads: ThreadStore
    likes: LikeStore
    relations: Relations
    requests: RequestLog
    permits: Permits
    next_id: NextId
    events: EventMaker

    async def like(self, actor: Actor, *, video_id: int, comment_id: int, permit: permit_pb2.SignedPermit, asked: Asked) -> Liked:
        """How things stand after a like. Raises InvalidPermit, CommentNotFound, RequestIdReused."""
        kind = permit_pb2.PERMIT_KIND_ENGAGE
        self.permits.verify(permit, issuer=ISSUER, kind=kind, subject_id=video_id, viewer_id=actor.user_id)
        chain = await self.threads.chain(comment_id)
        if not chain or chain[-1].video_id != video_id or chain[-1].state is not CommentState.PUBLISHED:
            raise CommentNotFound()
        relations = await self.relations.of(actor.user_id, [one.author_id for one in chain if one.author_id])
        if not is_seen(chain, parted={one.user_id for one in relations if one.mine.blocks or one.theirs.blocks}):
            raise CommentNotFound()
        return await self._change(actor, comment_id, chain[-1], active=True, asked=asked)

    async def unlike(self, actor: Actor, comment_id: int, *, asked: Asked) -> Liked:
        """How things stand after a like was taken back; needs no permit, so that nobody is bound to what went away. Raises RequestIdReused."""
        chain = await self.threads.chain(comment_id)
        return await self._change(actor, comment_id, chain[-1] if chain else None, active=False, asked=asked)

    async def _change(self, actor: Actor, comment_id: int, comment: Comment | None, *, active: bool, asked: Asked) -> Liked:
        async with self.likes.turn(actor.user_id, comment_id):
            standing = (await self.likes.of_person(actor.user_id, [comment_id])).get(comment_id)
            known = standing.version if standing is not None else 0
            so = active == (standing is not None and standing.active)
            # A request that finds nothing to do claims that: its repeats must not do later what it did not do then.
            claim = await asked.claim(self.requests, actor, lambda: 0 if so else self.next_id(known))
            version = claim.resource_id
            if not so and version > known and comment is not None:
                acted_at_ms = decode(version).at_ms
                standing = CommentLike(
                    comment_id=comment_id,
                    shard=rules.shard_of(actor.user_id),
                    user_id=actor.user_id,
                    active=active,
                    # Told by the version, so that a repeat writes the same row.
                    acted_at_ms=acted_at_ms,
                    first_acted_at_ms=standing.first_acted_at_ms if standing is not None else acted_at_ms,
                    version=version,
                )
                await self._write(standing, comment)
        liked = standing is not None and standing.active
        return Liked(liked, await self.likes.count_with(actor.user_id, comment_id, active=liked))

    async def clear(self, comment: Comment, *, at_once: int) -> None:
        """Take back what everybody said of a comment that goes with its video; again changes nothing."""
        for shard in range(rules.LIKE_SHARDS):
            after = ""
            while True:
                page = await self.likes.of_comment(comment.comment_id, shard, after=after, limit=at_once)
                for like in page.rows:
                    await self._take_back(like, comment)
                after = page.next
                if not after:
                    break

    async def _take_back(self, found: CommentLike, comment: Comment) -> None:
        async with self.likes.turn(found.user_id, found.comment_id):
            standing = (await self.likes.of_person(found.user_id, [found.comment_id])).get(found.comment_id)
            if standing is not None and standing.active:
                version = self.next_id(standing.version)
                await self._write(replace(standing, active=False, acted_at_ms=decode(version).at_ms, version=version), comment)

    async def _write(self, like: CommentLike, comment: Comment) -> None:
        message = events_pb2.CommentLiked(
            comment_id=like.comment_id,
            thread_id=comment.thread_id,
            video_id=comment.video_id,
            author_id=comment.author_id,
            user_id=like.user_id,
            active=like.active,
            acted_at_ms=like.acted_at_ms,
            first_acted_at_ms=like.first_acted_at_ms,
        )
        subjects = tuple(dict.fromkeys(one for one in (like.user_id, comment.author_id) if one))
        event = self.events.make(message, key=f"{like.comment_id}:{like.user_id}", subject_ids=subjects, key_version=like.version)
        await self.likes.write(like, event)
