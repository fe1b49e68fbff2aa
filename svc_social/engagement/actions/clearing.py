"""Taking back what people did with a video that is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mesh.deadline import scope
from mesh.events.event import EventMaker
from mesh.ids import decode
from svc_social.engagement import rules
from svc_social.engagement.convert import change_to_event, key_of_act
from svc_social.engagement.store import ActStore
from svc_social.engagement.tables import Act

ACTS_AT_ONCE = 200
"""Acts of one batch; between two of them others have their turn."""
_BATCH_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """Takes acts back as their people would: counts, lists, notifications and the feed follow from the events, as they always do."""

    acts: ActStore
    next_id: Callable[[], int]
    events: EventMaker

    async def of_video(self, video_id: int) -> int:
        """How many acts were taken back; again changes nothing. Raises TablesError, then the next try goes on with what is left."""
        taken = 0
        for shard in range(rules.ACT_SHARDS):
            after = ""
            while True:
                with scope(_BATCH_S):
                    page = await self.acts.of_video(video_id, shard, after=after, limit=ACTS_AT_ONCE)
                    for act in page.rows:
                        taken += await self._take_back(act)
                after = page.next
                if not after:
                    break
        return taken

    async def _take_back(self, found: Act) -> bool:
        async with self.acts.turn(found.user_id, found.video_id):
            known = await self.acts.one(found)
            if known is None or not known.active:
                return False
            version = rules.version_after(known.version, self.next_id())
            act = replace(known, active=False, acted_at_ms=decode(version).at_ms, collection_id=0, version=version)
            # Taken back by nobody, it tells nothing of what its person likes.
            message = change_to_event(known, act, personalisation=False)
            subjects = tuple(dict.fromkeys(person for person in (act.user_id, act.creator_id) if person))
            await self.acts.write(act, self.events.make(message, key=key_of_act(act), subject_ids=subjects, key_version=act.version))
            return True
