"""Acts: like, save, share, repost and taking them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clipmesh.common.v1 import permit_pb2

from mesh.events.event import Event, EventMaker
from mesh.ids import decode
from mesh.permits import Permits
from mesh.stores.tables.requests import Claim, RequestLog
from svc_social.engagement import rules
from svc_social.engagement.actions.reading import Sight
from svc_social.engagement.convert import change_to_event, key_of_act
from svc_social.engagement.errors import CollectionNotFound
from svc_social.engagement.store import ActStore, CollectionStore
from svc_social.engagement.tables import Act, EngagementKind, ShareTarget

ISSUER = "video"
"""Who owns videos, and so the word on what may be done with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts."""

    user_id: int
    personalisation: bool
    """True when the person allows that acts shape what is shown to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request behind an act."""

    method: str
    request_id: str
    body: bytes
    """The request without its permit, which a repeat may bring anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Records acts. Needs the tables and nothing else: counts, lists and the feed follow from the events."""

    acts: ActStore
    collections: CollectionStore
    requests: RequestLog
    permits: Permits
    next_id: Callable[[], int]
    events: EventMaker

    async def do(
        self,
        actor: Actor,
        *,
        video_id: int,
        kind: EngagementKind,
        permit: permit_pb2.SignedPermit,
        asked: Asked,
        collection_id: int = 0,
    ) -> Sight:
        """How things stand after an act that goes on until it is taken back. Raises InvalidPermit, CollectionNotFound, RequestIdReused."""
        creator_id = self._creator(actor, video_id, permit)
        if collection_id and await self.collections.get(actor.user_id, collection_id) is None:
            raise CollectionNotFound()
        return await self._change(
            actor, video_id=video_id, kind=kind, active=True, creator_id=creator_id, collection_id=collection_id, asked=asked
        )

    async def undo(self, actor: Actor, *, video_id: int, kind: EngagementKind, asked: Asked) -> Sight:
        """How things stand after an act was taken back; needs no permit, so that nobody is bound to a clip that went away. Raises RequestIdReused."""
        return await self._change(actor, video_id=video_id, kind=kind, active=False, creator_id=0, collection_id=0, asked=asked)

    async def share(self, actor: Actor, *, video_id: int, permit: permit_pb2.SignedPermit, target: ShareTarget, asked: Asked) -> int:
        """The id of a share, an act of its own. Raises InvalidPermit, RequestIdReused."""
        creator_id = self._creator(actor, video_id, permit)

        def shared(share_id: int) -> Act:
            at_ms = decode(share_id).at_ms
            return Act(
                video_id=video_id,
                shard=rules.shard_of(actor.user_id),
                kind=EngagementKind.SHARE,
                user_id=actor.user_id,
                share_id=share_id,
                creator_id=creator_id,
                active=True,
                acted_at_ms=at_ms,
                first_acted_at_ms=at_ms,
                share_target=target,
                version=share_id,
            )

        claim = await self._claim_and_write(actor, asked, None, shared(self.next_id()))
        share_id = claim.resource_id
        if claim.repeated and await self.acts.share(video_id=video_id, user_id=actor.user_id, share_id=share_id) is None:
            act = shared(share_id)
            await self.acts.write(act, self._event(actor, None, act))
        return share_id

    async def _change(
        self,
        actor: Actor,
        *,
        video_id: int,
        kind: EngagementKind,
        active: bool,
        creator_id: int,
        collection_id: int,
        asked: Asked,
    ) -> Sight:
        def act_after(standing: Act | None, version: int) -> Act:
            # Told by the version, so that a repeat writes the same row.
            at_ms = decode(version).at_ms
            return Act(
                video_id=video_id,
                shard=rules.shard_of(actor.user_id),
                kind=kind,
                user_id=actor.user_id,
                share_id=0,
                creator_id=creator_id or (standing.creator_id if standing else 0),
                active=active,
                acted_at_ms=at_ms,
                first_acted_at_ms=(standing.first_acted_at_ms or standing.acted_at_ms) if standing else at_ms,
                collection_id=collection_id,
                version=version,
            )

        async with self.acts.turn(actor.user_id, video_id):
            known = await self.acts.of_person(actor.user_id, (video_id,))
            standing = known.get((video_id, kind))
            if rules.is_so(standing, active=active, collection_id=collection_id):
                # A request that finds nothing to do claims that: its repeats must not do later what it did not do then.
                await self.requests.claim(
                    caller=actor.user_id, method=asked.method, request_id=asked.request_id, body=asked.body, new_id=lambda: 0
                )
                return Sight.of(video_id, known)
            act = act_after(standing, rules.version_after(standing.version if standing else 0, self.next_id()))
            claim = await self._claim_and_write(actor, asked, standing, act)
            if claim.repeated:
                # What the first call wrote, or did not come to write, stands behind what was read before its claim was found.
                known = await self.acts.of_person(actor.user_id, (video_id,))
                standing = known.get((video_id, kind))
                if claim.resource_id <= (standing.version if standing else 0):
                    return Sight.of(video_id, known)
                act = act_after(standing, claim.resource_id)
                await self.acts.write(act, self._event(actor, standing, act))
            return Sight.of(video_id, {**known, (video_id, kind): act})

    async def _claim_and_write(self, actor: Actor, asked: Asked, before: Act | None, act: Act) -> Claim:
        return await self.requests.claim_and_put(
            act,
            events=[self._event(actor, before, act)],
            caller=actor.user_id,
            method=asked.method,
            request_id=asked.request_id,
            body=asked.body,
            resource_id=act.version,
        )

    def _event(self, actor: Actor, before: Act | None, act: Act) -> Event:
        message = change_to_event(before, act, personalisation=actor.personalisation)
        subjects = tuple(dict.fromkeys(person for person in (act.user_id, act.creator_id) if person))
        return self.events.make(message, key=key_of_act(act), subject_ids=subjects, key_version=act.version)

    def _creator(self, actor: Actor, video_id: int, permit: permit_pb2.SignedPermit) -> int:
        """Who made the video, once the permit is found good. Raises InvalidPermit."""
        kind = permit_pb2.PERMIT_KIND_ENGAGE
        return self.permits.verify(permit, issuer=ISSUER, kind=kind, subject_id=video_id, viewer_id=actor.user_id).owner_id
