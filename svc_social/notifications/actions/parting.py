"""Parting: who is blocked or muted falls out of inboxes before the one who did it hears that it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from clipmesh.social.v1 import events_pb2

from mesh.deadline import scope
from mesh.stores.tables.errors import TablesError
from svc_social.notifications import convert
from svc_social.notifications.actions.receiving import Receiving

_MOST_S = 2.0
"""How long a block may take longer for it."""
_log = logging.getLogger("clipmesh.notifications")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Brings inboxes up to a change between two people at once: entries, counts and what is unread."""

    receiving: Receiving
    next_id: Callable[[], int]

    async def at_once(self, change: events_pb2.BondChanged) -> None:
        """Let people fall out of inboxes. The event of the change does the same, so nothing is lost when this fails, and it never raises."""
        try:
            with scope(_MOST_S):
                for user_id, gone_id in convert.partings_of(change):
                    await self.receiving.part(user_id, gone_id, version=self.next_id())
        except TablesError:
            _log.warning("people are parted by the event", exc_info=True)
