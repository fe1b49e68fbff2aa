"""Folds social's events of acts into what consenting people did, by creator."""

from __future__ import annotations

from dataclasses import replace

from clipmesh.social.v1 import events_pb2

from mesh.events.consumers import Incoming, VersionedRow
from svc_feed.affinities.rules import LIFE_MS
from svc_feed.affinities.store import AffinityStore
from svc_feed.affinities.tables import ViewerEngagement


class Engagements(VersionedRow):
    """One row a viewer, video and kind. Shares are acts of their own under one row: the latest of them counts, versions are times."""

    name = "engagements"
    topics = ("social",)

    def __init__(self, *, store: AffinityStore) -> None:
        self._store = store
        self.handlers = {events_pb2.EngagementChanged: self.changed}

    async def changed(self, event: Incoming[events_pb2.EngagementChanged]) -> ViewerEngagement | None:
        act = event.message
        if not act.creator_id or act.creator_id == act.user_id:
            return None
        row = ViewerEngagement(
            viewer_id=act.user_id,
            creator_id=act.creator_id,
            video_id=act.video_id,
            kind=act.kind,
            active=act.active,
            acted_at_ms=act.acted_at_ms,
            expires_at_ms=act.acted_at_ms + LIFE_MS,
        )
        if not act.personalisation:
            # An act without consent is not kept, nor the row of its predecessor. Rows of other acts, done with consent, stay for up to LIFE_MS:
            # feed hears of a withdrawal by acts alone. Nothing is read of them without consent.
            await self._store.forget(replace(row, version=event.envelope.key_version))
            return None
        return row
