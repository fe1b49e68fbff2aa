"""Delivering: what an alert sends beyond the inbox, from a durable queue, tried again until it worked or is given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mesh.clock import Clock
from mesh.deadline import scope
from mesh.errors import MeshError
from mesh.stores.tables.errors import TablesError
from mesh.telemetry import Telemetry
from svc_social.notifications import rules
from svc_social.notifications.actions.choosing import Choosing
from svc_social.notifications.actions.together import side_by_side
from svc_social.notifications.choices import channels_of
from svc_social.notifications.couriers import Courier, Notice
from svc_social.notifications.metrics import DELIVERIES
from svc_social.notifications.store import DeliveryStore, InboxStore
from svc_social.notifications.store.deliveries import SHARDS
from svc_social.notifications.tables import Channel, Delivery, DeliveryState, DueDelivery, InboxEntry, NotificationKind

EVERY_S = 5.0
"""How often the queue is looked through; what this process is asked for it does at once."""
AT_ONCE = 8
"""Deliveries that are tried side by side, so that a slow one holds up few."""
LEASE_MS = 30_000
"""How long somebody may try before others do: longer than one try takes."""
TRY_S = 10.0
FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 4 * 3_600_000
MOST_ATTEMPTS = 12
"""With pauses that grow fourfold from 5 s to 4 h: a bit more than a day."""

_log = logging.getLogger("clipmesh.notifications")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """Keeps the queue and works it off. A delivery that worked is never made again; one whose process ended in the middle may be."""

    deliveries: DeliveryStore
    inboxes: InboxStore
    choosing: Choosing
    couriers: Mapping[Channel, Courier]
    clock: Clock
    telemetry: Telemetry | None = None
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, entry: InboxEntry, *, alert: int, channels: Sequence[Channel]) -> None:
        """Have an alert of an entry delivered, once however often it is asked for."""
        for channel in channels:
            await self.deliveries.add(
                Delivery(
                    user_id=entry.user_id,
                    place=entry.place,
                    alert=alert,
                    channel=channel,
                    notification_id=entry.notification_id,
                    due_at_ms=self.clock.now_ms(),
                    expires_at_ms=entry.ends_at_ms + rules.KEPT_MS,
                )
            )
            self._asked.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            self._asked.clear()
            try:
                for shard in range(SHARDS):
                    await self.work(shard)
            except TablesError as error:
                _log.warning("deliveries wait", extra={"error_type": type(error).__name__})
                await asyncio.sleep(EVERY_S)
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def work(self, shard: int) -> None:
        """Work off what of a queue is due now."""
        dues = await self.deliveries.due(shard, now_ms=self.clock.now_ms())
        await side_by_side(dues, self._one, at_once=AT_ONCE)
        await self.deliveries.forget(dues)

    async def _one(self, due: DueDelivery) -> None:
        delivery = await self.deliveries.get(due)
        if delivery is None or delivery.state not in (DeliveryState.WAITING, DeliveryState.SENDING):
            return
        now_ms = self.clock.now_ms()
        entry = await self._entry(delivery)
        if entry is None:
            await self._end(delivery, DeliveryState.NEEDLESS, "needless")
            return
        quiet_until_ms = await self.choosing.quiet_until_ms(delivery.user_id, now_ms=now_ms)
        if quiet_until_ms:
            await self.deliveries.move(delivery, state=DeliveryState.WAITING, due_at_ms=quiet_until_ms)
            self._count(delivery, "held")
            return
        mine = await self.deliveries.move(
            delivery, state=DeliveryState.SENDING, due_at_ms=now_ms + LEASE_MS, attempts=delivery.attempts + 1
        )
        if mine is not None:
            await self._try(mine, entry)

    async def _entry(self, delivery: Delivery) -> InboxEntry | None:
        """The entry that is to be delivered; None when nobody needs it any more."""
        head, entry = await self.inboxes.one(delivery.user_id, delivery.place)
        if entry is None or not rules.is_unread(head, entry) or entry.alerts != delivery.alert:
            return None
        settings = await self.choosing.settings.get(delivery.user_id)
        return entry if delivery.channel in channels_of(settings, NotificationKind(entry.kind)) else None

    async def _try(self, delivery: Delivery, entry: InboxEntry) -> None:
        notice = Notice(
            user_id=delivery.user_id,
            notification_id=delivery.notification_id,
            kind=NotificationKind(entry.kind),
            count=entry.count,
            alert=delivery.alert,
        )
        try:
            with scope(TRY_S):
                async with asyncio.timeout(TRY_S):
                    await self.couriers[delivery.channel].deliver(notice)
        except Exception as error:
            # An adapter's words may have an address in them.
            about = {"channel": delivery.channel.name, "error_type": type(error).__name__, "attempt": delivery.attempts}
            _log.log(logging.WARNING if isinstance(error, MeshError | TimeoutError) else logging.ERROR, "a delivery failed", extra=about)
            await self._failed(delivery)
        else:
            await self._end(delivery, DeliveryState.SENT, "sent")

    async def _failed(self, delivery: Delivery) -> None:
        if delivery.attempts >= MOST_ATTEMPTS:
            await self._end(delivery, DeliveryState.DEAD, "dead")
            return
        pause_ms = min(FIRST_PAUSE_MS * 4 ** (delivery.attempts - 1), LONGEST_PAUSE_MS)
        await self.deliveries.move(delivery, state=DeliveryState.WAITING, due_at_ms=self.clock.now_ms() + pause_ms)
        self._count(delivery, "failed")

    async def _end(self, delivery: Delivery, state: DeliveryState, outcome: str) -> None:
        if await self.deliveries.move(delivery, state=state) is not None:
            self._count(delivery, outcome)

    def _count(self, delivery: Delivery, outcome: str) -> None:
        if self.telemetry is not None:
            self.telemetry.count(DELIVERIES, channel=delivery.channel.name.lower(), outcome=outcome)
