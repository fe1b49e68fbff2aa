"""Reading engagement: counts, what a viewer did, lists by person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from svc_social.engagement import rules
from svc_social.engagement.errors import CollectionNotFound
from svc_social.engagement.store import ActStore, CollectionStore, CountStore, ListPage, ListStore
from svc_social.engagement.tables import Act, EngagedVideo, EngagementKind
from svc_social.graph.actions import FollowState, Relations
from svc_social.identity.actions import Profiles

_ROUNDS = 5
"""How often more is read because what was read is stale; a page may be short after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a person did with a video."""

    video_id: int
    liked: bool = False
    saved: bool = False
    reposted: bool = False

    @classmethod
    def of(cls, video_id: int, acts: Mapping[tuple[int, EngagementKind], Act]) -> Self:
        """As a person's acts say."""

        def active(kind: EngagementKind) -> bool:
            act = acts.get((video_id, kind))
            return act is not None and act.active

        return cls(
            video_id=video_id,
            liked=active(EngagementKind.LIKE),
            saved=active(EngagementKind.SAVE),
            reposted=active(EngagementKind.REPOST),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many acts a video has."""

    video_id: int
    of: Mapping[EngagementKind, int]
    approximate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reads counts, acts and lists."""

    acts: ActStore
    counts: CountStore
    lists: ListStore
    collections: CollectionStore
    profiles: Profiles
    relations: Relations

    async def counters(self, video_ids: Sequence[int]) -> list[Counts]:
        """Counts of videos in the order asked, each once."""
        wanted = list(dict.fromkeys(video_ids))
        told = await self.counts.read(wanted)
        return [Counts(video_id=video_id, of=told[video_id].sizes, approximate=told[video_id].busy) for video_id in wanted]

    async def sights(self, user_id: int, video_ids: Sequence[int]) -> list[Sight]:
        """What a person did with videos, in the order asked, each once; nothing for nobody."""
        wanted = list(dict.fromkeys(video_ids))
        acts = await self.acts.of_person(user_id, wanted) if user_id else {}
        return [Sight.of(video_id, acts) for video_id in wanted]

    async def saved(self, user_id: int, collection_id: int, *, after: str, limit: int) -> ListPage:
        """What a person saved, newest first; in one collection, or with 0 all of it. Raises CollectionNotFound."""
        if collection_id and await self.collections.get(user_id, collection_id) is None:
            raise CollectionNotFound()
        return await self._page(user_id, EngagementKind.SAVE, collection_id, after=after, limit=limit)

    async def liked(self, user_id: int, *, after: str, limit: int) -> ListPage:
        """What a person likes, newest first."""
        return await self._page(user_id, EngagementKind.LIKE, 0, after=after, limit=limit)

    async def reposted(self, user_id: int, *, viewer_id: int, after: str, limit: int) -> ListPage:
        """What a person reposted, newest first. Raises ProfileNotFound, also for who is private to the viewer, and for people of whom one blocks
        the other."""
        [relation] = await self.relations.of(viewer_id, [user_id])
        if relation.theirs.blocks or relation.mine.blocks:
            user_id = 0
        follows = viewer_id == user_id or relation.mine.follow is FollowState.FOLLOWING
        await self.profiles.shown(user_id, to_follower=follows)
        return await self._page(user_id, EngagementKind.REPOST, 0, after=after, limit=limit)

    async def _page(self, user_id: int, kind: EngagementKind, collection_id: int, *, after: str, limit: int) -> ListPage:
        found: list[EngagedVideo] = []
        for _ in range(_ROUNDS):
            page = await self.lists.page(user_id, kind, collection_id, after=after, limit=limit - len(found))
            acts = await self.acts.of_person(user_id, [place.video_id for place in page.places], kinds=(kind,))
            found += [place for place in page.places if rules.stands(place, acts.get((place.video_id, kind)))]
            after = page.next
            if not after or len(found) == limit:
                break
        return ListPage(tuple(found), after)
