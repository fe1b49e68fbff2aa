"""What the fake social service answers of notifications: an inbox that changes by numbers, as the real one does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clipmesh.social.v1 import notification_service_pb2 as pb

from mesh.errors import InvalidPageToken

UPDATED_AT_MS = 1_760_000_500_000


@dataclass(slots=True)
class FakeInbox:
    """One person's inbox."""

    entries: dict[int, pb.Notification] = field(default_factory=dict)
    changed: dict[int, int] = field(default_factory=dict)
    """The number of each entry's last change."""
    number: int = 0

    def change(self, notification_id: int, **fields: Any) -> None:
        """Something happened to an entry; `gone` takes it out."""
        values = {"kind": pb.NOTIFICATION_KIND_LIKE, "count": 1, "unread": True, "updated_at_ms": UPDATED_AT_MS, **fields}
        self.number += 1
        self.entries[notification_id] = pb.Notification(notification_id=notification_id, **values)
        self.changed[notification_id] = self.number

    @property
    def unread(self) -> int:
        """How many are unread."""
        return sum(one.unread and not one.gone for one in self.entries.values())


class NotificationFakes:
    """Methods of the fakes."""

    __slots__ = ()
    inbox: FakeInbox

    async def list_notifications(self, request: Any) -> Any:
        shown = [one for one in reversed(self.inbox.entries.values()) if not one.gone]
        begin = int(request.page_token or 0)
        end = begin + (request.page_size or 20)
        return pb.ListNotificationsResponse(
            notifications=shown[begin:end],
            next_page_token=str(end) if end < len(shown) else "",
            unread_count=self.inbox.unread,
            cursor=f"c{self.inbox.number}",
        )

    async def get_notification_changes(self, request: Any) -> Any:
        inbox = self.inbox
        answer = pb.GetNotificationChangesResponse(cursor=f"c{inbox.number}", unread_count=inbox.unread)
        if not request.after:
            return answer
        if not request.after.startswith("c"):
            raise InvalidPageToken("that is no cursor")
        since = int(request.after[1:])
        for notification_id, number in sorted(inbox.changed.items(), key=lambda one: one[1]):
            if number > since:
                answer.changes.append(pb.NotificationChange(notification=inbox.entries[notification_id], cursor=f"c{number}"))
        return answer

    async def get_unread_notification_count(self, request: Any) -> Any:
        return pb.GetUnreadNotificationCountResponse(unread_count=self.inbox.unread)

    async def mark_notifications_read(self, request: Any) -> Any:
        for one in self.inbox.entries.values():
            if request.up_to or one.notification_id in request.notification_ids:
                one.unread = False
        return pb.MarkNotificationsReadResponse(unread_count=self.inbox.unread)

    async def get_notification_settings(self, request: Any) -> Any:
        return pb.GetNotificationSettingsResponse(settings=_settings(pb.QuietHours()))

    async def update_notification_settings(self, request: Any) -> Any:
        return pb.UpdateNotificationSettingsResponse(settings=_settings(request.quiet_hours))


def _settings(quiet: pb.QuietHours) -> pb.NotificationSettings:
    preference = pb.NotificationPreference(kind=pb.NOTIFICATION_KIND_LIKE, in_app=True, push=False, mail=True)
    return pb.NotificationSettings(preferences=[preference], quiet_hours=quiet)
