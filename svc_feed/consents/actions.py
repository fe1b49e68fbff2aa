"""What can be done with withdrawals: note them, and ask for the last one."""

from __future__ import annotations

from svc_feed.consents.store import WithdrawalStore
from svc_feed.consents.tables import Withdrawal


class Withdrawals:
    """Knows until when what a person did must not be used."""

    def __init__(self, *, store: WithdrawalStore) -> None:
        self._store = store

    async def until_ms(self, viewer_id: int) -> int:
        """The moment of the last withdrawal: what was done until then is not used. 0 without one."""
        row = await self._store.get(viewer_id)
        return row.withdrawn_at_ms if row is not None else 0

    async def note(self, viewer_id: int, *, at_ms: int) -> None:
        """A person withdrew; an earlier one that is heard of later changes nothing."""
        await self._store.put(Withdrawal(viewer_id=viewer_id, withdrawn_at_ms=at_ms, version=at_ms))
