"""NotificationService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.social.v1 import notification_service_pb2 as pb
from clipmesh.social.v1 import notification_service_pb2_grpc

from mesh.auth import require_signed_in
from mesh.server import SIGNED_IN, Access, Priority, ServedService
from svc_social.notifications.actions import Choosing, Inbox, Shown
from svc_social.notifications.choices import Choice, QuietHours
from svc_social.notifications.convert import entry_to_proto, settings_to_proto
from svc_social.notifications.tables import NotificationKind

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_READ = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True)
_WRITE = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE)

ACCESS = {
    "ListNotifications": _READ,
    "GetNotificationChanges": _READ,
    "GetUnreadNotificationCount": _READ,
    "MarkNotificationsRead": _WRITE,
    "GetNotificationSettings": _READ,
    "UpdateNotificationSettings": _WRITE,
}
"""Everything is of the viewer's own: no request names whose inbox is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationServicer(notification_service_pb2_grpc.NotificationServiceServicer):
    """Answers NotificationService."""

    inbox: Inbox
    choosing: Choosing

    async def ListNotifications(  # noqa: N802
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        """A page of the inbox."""
        page = await self.inbox.page(require_signed_in().user_id, page_size=request.page_size, page_token=request.page_token)
        return pb.ListNotificationsResponse(
            notifications=[_shown(one) for one in page.shown],
            next_page_token=page.next_page_token,
            unread_count=page.unread,
            cursor=page.cursor,
        )

    async def GetNotificationChanges(  # noqa: N802
        self, request: pb.GetNotificationChangesRequest, context: Context
    ) -> pb.GetNotificationChangesResponse:
        """What changed since."""
        changes = await self.inbox.changes(require_signed_in().user_id, after=request.after)
        return pb.GetNotificationChangesResponse(
            changes=[pb.NotificationChange(notification=_shown(one), cursor=one.cursor) for one in changes.shown],
            cursor=changes.cursor,
            unread_count=changes.unread,
        )

    async def GetUnreadNotificationCount(  # noqa: N802
        self, request: pb.GetUnreadNotificationCountRequest, context: Context
    ) -> pb.GetUnreadNotificationCountResponse:
        """The number of a badge."""
        return pb.GetUnreadNotificationCountResponse(unread_count=await self.inbox.unread_count(require_signed_in().user_id))

    async def MarkNotificationsRead(  # noqa: N802
        self, request: pb.MarkNotificationsReadRequest, context: Context
    ) -> pb.MarkNotificationsReadResponse:
        """Mark as read."""
        unread = await self.inbox.mark(
            require_signed_in().user_id,
            ids=frozenset(request.notification_ids),
            up_to=request.up_to,
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return pb.MarkNotificationsReadResponse(unread_count=unread)

    async def GetNotificationSettings(  # noqa: N802
        self, request: pb.GetNotificationSettingsRequest, context: Context
    ) -> pb.GetNotificationSettingsResponse:
        """What the viewer chose."""
        row, quiet = await self.choosing.of(require_signed_in().user_id)
        return pb.GetNotificationSettingsResponse(settings=settings_to_proto(row, quiet))

    async def UpdateNotificationSettings(  # noqa: N802
        self, request: pb.UpdateNotificationSettingsRequest, context: Context
    ) -> pb.UpdateNotificationSettingsResponse:
        """Choose."""
        given, quiet = request.quiet_hours, None
        if given.enabled:
            quiet = QuietHours.checked(from_minute=given.from_minute, to_minute=given.to_minute, zone=given.time_zone)
        row, standing = await self.choosing.change(
            require_signed_in().user_id,
            choices={NotificationKind(one.kind): Choice(in_app=one.in_app, push=one.push, mail=one.mail) for one in request.preferences},
            quiet_hours=quiet,
            changes_quiet_hours=request.HasField("quiet_hours"),
            request_id=request.request_id,
            body=request.SerializeToString(deterministic=True),
        )
        return pb.UpdateNotificationSettingsResponse(settings=settings_to_proto(row, standing))


def notification_service(servicer: NotificationServicer) -> ServedService:
    """NotificationService as a server takes it."""
    return ServedService(
        add_to_server=notification_service_pb2_grpc.add_NotificationServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["NotificationService"],
        access=ACCESS,
    )


def _shown(one: Shown) -> pb.Notification:
    if one.gone:
        return pb.Notification(notification_id=one.entry.notification_id, gone=True)
    return entry_to_proto(one.entry, unread=one.unread)
