"""The viewer's inbox as it changes: each change once, behind a cursor that outlives the connection and the gateway."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncGenerator

import strawberry
from clipmesh.social.v1 import notification_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.errors import Fault, is_away
from gateway.schema.notifications import Notification
from gateway.schema.outcomes import ask
from gateway.schema.scalars import BigInt, big, id_of
from gateway.schema.watching import at_least_every
from mesh.errors import MeshError

NOTIFICATIONS_TOPIC = "social.notifications"
LOOK_AGAIN_S = 5.0
"""How long a watcher of an inbox waits for a hint before it looks by itself."""
CALM_S = 0.2
"""How long it waits after a look: what moves meanwhile is one change."""
SLOW_READER_S = 5.0
"""A reader that takes longer for one update is told where to go on, and let go."""


@strawberry.enum(description="Why a subscription to the inbox ended by itself.")
class NotificationsEnd(enum.Enum):
    SLOW_READER = "SLOW_READER"


@strawberry.type(
    description="One change of the inbox. Keep `cursor`: whoever subscribes again after it misses nothing and gets nothing twice."
)
class NotificationUpdate:
    notification: Notification | None = strawberry.field(
        description="A notification that came or changed, as it is now; null when one went, or nothing but the count changed."
    )
    removed_id: strawberry.ID | None = strawberry.field(description="A notification that is no longer in the inbox.")
    unread_count: BigInt = strawberry.field(description="How many notifications of the whole inbox are unread.")
    cursor: str = strawberry.field(description="Where to go on after this update.")
    ended: NotificationsEnd | None = strawberry.field(
        description="With SLOW_READER this is the last update: it was not read in time. Subscribe again after its cursor."
    )


@strawberry.type
class NotificationSubscription:
    @strawberry.subscription(
        description="The inbox as it changes. Without `after` it begins now, with an update that has the count and the cursor alone; with the "
        "cursor of an earlier update it goes on behind that one."
    )
    async def notifications(self, info: GatewayInfo, after: str | None = None) -> AsyncGenerator[NotificationUpdate, None]:
        user_id = info.context.viewer.user_id
        if not user_id:
            raise Fault("UNAUTHENTICATED", "sign in first")
        loop = asyncio.get_running_loop()
        cursor, told = after or "", None
        with info.context.hints.watch(NOTIFICATIONS_TOPIC, str(user_id)) as changes:
            async for _ in at_least_every(LOOK_AGAIN_S, changes):
                try:
                    with info.context.acting():
                        answer = await _changes(info, cursor)
                except Fault as fault:
                    # Whoever has heard something waits until the service is back; the first look tells of it.
                    cause = fault.__cause__
                    if told is None or not isinstance(cause, MeshError) or not is_away(cause):
                        raise
                    continue
                for update in _updates(answer, counted=told == answer.unread_count):
                    cursor, told = update.cursor, update.unread_count
                    began_at_s = loop.time()
                    yield update
                    if loop.time() - began_at_s > SLOW_READER_S:
                        yield _ended(cursor, told)
                        return
                cursor = answer.cursor
                await asyncio.sleep(CALM_S)


async def _changes(info: GatewayInfo, after: str) -> pb.GetNotificationChangesResponse:
    return await ask(info.context.clients.notifications.GetNotificationChanges(pb.GetNotificationChangesRequest(after=after)))


def _updates(answer: pb.GetNotificationChangesResponse, *, counted: bool) -> list[NotificationUpdate]:
    """One update a change; without any one alone when the count is another."""
    updates = [
        NotificationUpdate(
            notification=None if change.notification.gone else Notification.of(change.notification),
            removed_id=id_of(change.notification.notification_id) if change.notification.gone else None,
            unread_count=big(answer.unread_count),
            cursor=change.cursor,
            ended=None,
        )
        for change in answer.changes
    ]
    if not updates and not counted:
        updates.append(
            NotificationUpdate(notification=None, removed_id=None, unread_count=big(answer.unread_count), cursor=answer.cursor, ended=None)
        )
    return updates


def _ended(cursor: str, unread_count: BigInt) -> NotificationUpdate:
    return NotificationUpdate(
        notification=None, removed_id=None, unread_count=unread_count, cursor=cursor, ended=NotificationsEnd.SLOW_READER
    )
