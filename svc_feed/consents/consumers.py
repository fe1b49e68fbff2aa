"""Hears of withdrawn consents, and has dropped what was kept under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2

from mesh.events.consumers import Incoming, VersionedRow
from svc_feed.consents.actions import Withdrawals


class Forgetful(Protocol):
    """An area that keeps what people did."""

    async def forget(self, viewer_id: int, *, until_ms: int) -> None:
        """Drop what a person did until a moment; safe to repeat."""
        ...


class ConsentsWithdrawn(VersionedRow):
    """First the moment is written, then everything until then is dropped: whoever writes late looks at the moment afterwards, so one of the two
    drops it. Heard again, after the person consented anew, it drops what is older than the withdrawal and nothing else."""

    name = "consents"
    topics = ("social",)

    def __init__(self, *, withdrawals: Withdrawals, keeping: Sequence[Forgetful]) -> None:
        self._withdrawals = withdrawals
        self._keeping = keeping
        self.handlers = {events_pb2.ConsentsChanged: self.changed}

    async def changed(self, event: Incoming[events_pb2.ConsentsChanged]) -> None:
        """Drop what is kept unless personalisation is allowed."""
        if viewer_pb2.CONSENT_PURPOSE_PERSONALISATION in event.message.consents:
            return
        viewer_id, at_ms = event.message.user_id, event.envelope.occurred_at_ms
        await self._withdrawals.note(viewer_id, at_ms=at_ms)
        for area in self._keeping:
            await area.forget(viewer_id, until_ms=at_ms)
