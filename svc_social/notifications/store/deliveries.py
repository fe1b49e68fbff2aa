"""Rows of deliveries, and of when to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables, VersionConflict
from svc_social.notifications.tables import Channel, Delivery, DeliveryState, DueDelivery

SHARDS = 8
_READ_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStore:
    """Repository of deliveries. The row of a delivery is the truth; that of when it is due only leads to it."""

    tables: Tables

    async def add(self, delivery: Delivery) -> None:
        """Have something delivered, once however often it is asked for."""
        try:
            await self.tables.insert(delivery)
        except RowExists as exists:
            delivery = exists.row
            if delivery.state not in (DeliveryState.WAITING, DeliveryState.SENDING):
                return
        except OutcomeUnknown as unknown:
            if not await self.tables.settle(unknown.token):
                await self.add(delivery)
                return
        await self.tables.put(_due(delivery))

    async def due(self, shard: int, *, now_ms: int) -> tuple[DueDelivery, ...]:
        """What is due, oldest first, some at a time."""
        return (await self.tables.scan(DueDelivery, shard, last=(now_ms,), limit=_READ_AT_ONCE)).rows

    async def get(self, due: DueDelivery) -> Delivery | None:
        """The delivery that a row leads to; None when it no longer fits."""
        found = await self.tables.get(Delivery, due.user_id, due.place, due.alert, due.channel)
        return found if found is not None and found.due_at_ms == due.due_at_ms else None

    async def of(self, user_id: int, place: str, alert: int, channel: Channel) -> Delivery | None:
        """One delivery."""
        return await self.tables.get(Delivery, user_id, place, alert, channel)

    async def move(self, delivery: Delivery, *, state: DeliveryState, due_at_ms: int = 0, attempts: int | None = None) -> Delivery | None:
        """The delivery in another state, due at another moment unless it is over; None when somebody was faster."""
        moved = replace(delivery, state=state, due_at_ms=due_at_ms, attempts=delivery.attempts if attempts is None else attempts)
        if due_at_ms:
            # Before the delivery says so: a row that leads nowhere yet is dropped when it is due, one that is missing would never be.
            await self.tables.put(_due(moved))
        try:
            return await self.tables.transition(moved, expected_version=delivery.version)
        except VersionConflict:
            return None

    async def forget(self, dues: Sequence[DueDelivery]) -> None:
        """Look no more at these moments."""
        if dues:
            await self.tables.delete(*dues)


def shard_of(user_id: int) -> int:
    """Which queue the deliveries of a person are in."""
    return user_id % SHARDS


def _due(delivery: Delivery) -> DueDelivery:
    return DueDelivery(
        shard=shard_of(delivery.user_id),
        due_at_ms=delivery.due_at_ms,
        user_id=delivery.user_id,
        place=delivery.place,
        alert=delivery.alert,
        channel=delivery.channel,
        version=1,
    )
