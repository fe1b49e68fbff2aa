"""The viewer's inbox: pages, what is unread, and preferences."""

from __future__ import annotations

from operator import attrgetter
from typing import Self

import strawberry
from clipmesh.social.v1 import notification_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.execution.costs import ListSize
from gateway.execution.fields import OfMessage, part
from gateway.loaders import Missing
from gateway.schema.enums import NotificationKind
from gateway.schema.fetching import batched
from gateway.schema.outcomes import UserError, ask, attempt, present, user_errors_field
from gateway.schema.pages import PageInfo, Place, ends_of, page_info, page_size
from gateway.schema.scalars import BigInt, DateTime, big, id_of, number_of
from gateway.schema.users import User
from gateway.schema.videos import Video
from mesh.interceptors.request_id import new_request_id

ACTORS = 5
_SIZED = [ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])]


@strawberry.type(description="One entry of the inbox: acts of one kind on one subject within a day.")
class Notification(OfMessage):
    message: strawberry.Private[pb.Notification]
    id: strawberry.ID = part(lambda one: id_of(one.notification_id))
    kind: NotificationKind = part(lambda one: NotificationKind(one.kind))
    unread: bool = part(attrgetter("unread"), description="True until it is marked as read, and again when it grows.")
    updated_at: DateTime = part(attrgetter("updated_at_ms"), description="When its newest act was done; the inbox is in this order.")
    count: int = part(attrgetter("count"), description="How many acts stand behind it, those of `actors` included.")
    detail: str | None = part(
        lambda one: one.detail or None, description="A stable word of what happened, such as BLOCK for VERDICT; null where none is needed."
    )
    video_id: strawberry.ID | None = part(lambda one: id_of(one.video_id) if one.video_id else None)
    comment_id: strawberry.ID | None = part(lambda one: id_of(one.comment_id) if one.comment_id else None)

    video: Video | None = batched(
        lambda loaders: loaders.video,
        key=lambda one: one.message.video_id,
        shown=Video.of,
        description="The video it is about; null when there is none, or none for this viewer any more.",
    )

    @strawberry.field(
        description="People who acted, newest first, at most 5; people who are gone are left out. Null when nobody can say who they are now.",
        directives=[ListSize(assumed_size=ACTORS)],
    )
    async def actors(self, info: GatewayInfo) -> list[User] | None:
        found = await info.context.loaders.profile.load_many(self.message.actor_ids)
        people = [present(info.context, one) for one in found]
        if any(isinstance(one, Missing) for one in found):
            return None
        return [User.of(profile) for profile in people if profile is not None]


@strawberry.type(description="One notification of a page.")
class NotificationEdge:
    cursor: str
    node: Notification


@strawberry.type(description="A page of the inbox, and what is unread in all of it.")
class NotificationConnection:
    edges: list[NotificationEdge]
    page_info: PageInfo
    unread_count: BigInt = strawberry.field(description="How many notifications of the whole inbox are unread.")
    changes_cursor: str = strawberry.field(description="Where the subscription `notifications` goes on after this answer.")


@strawberry.type(description="Where a kind is told.")
class NotificationPreference(OfMessage):
    message: strawberry.Private[pb.NotificationPreference]
    kind: NotificationKind = part(lambda one: NotificationKind(one.kind))
    in_app: bool = part(attrgetter("in_app"), description="Without it nothing else is told either.")
    push: bool = part(attrgetter("push"))
    mail: bool = part(attrgetter("mail"))


@strawberry.type(description="When pushes and mails wait; the inbox does not.")
class QuietHours(OfMessage):
    message: strawberry.Private[pb.QuietHours]
    from_minute: int = part(attrgetter("from_minute"), description="Minutes after midnight of the time zone.")
    to_minute: int = part(attrgetter("to_minute"), description="Before fromMinute it is on the next day.")
    time_zone: str = part(attrgetter("time_zone"), description="A name of the IANA database, such as Europe/Berlin.")


@strawberry.type(description="What the viewer chose about notifications.")
class NotificationSettings:
    preferences: list[NotificationPreference] = strawberry.field(description="Of every kind.", directives=[ListSize(assumed_size=20)])
    quiet_hours: QuietHours | None = strawberry.field(description="When pushes and mails wait; null when they never do.")

    @classmethod
    def of(cls, settings: pb.NotificationSettings) -> Self:
        """The type of a message."""
        return cls(
            preferences=[NotificationPreference.of(one) for one in settings.preferences],
            quiet_hours=QuietHours.of(settings.quiet_hours) if settings.quiet_hours.enabled else None,
        )


@strawberry.type
class NotificationQuery:
    @strawberry.field(description="The viewer's inbox, newest first.", directives=_SIZED)
    async def notifications(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> NotificationConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = pb.ListNotificationsRequest(page_size=size + place.skip, page_token=place.token)
        answer = await ask(info.context.clients.notifications.ListNotifications(request))
        found = answer.notifications[place.skip :]
        cursors = place.cursors(len(found), answer.next_page_token)
        return NotificationConnection(
            edges=[NotificationEdge(cursor=cursor, node=Notification.of(one)) for cursor, one in zip(cursors, found, strict=True)],
            page_info=page_info(ends_of(cursors, answer.next_page_token), has_next=bool(answer.next_page_token), after=after),
            unread_count=big(answer.unread_count),
            changes_cursor=answer.cursor,
        )

    @strawberry.field(description="How many notifications are unread; cheap.")
    async def unread_notification_count(self, info: GatewayInfo) -> BigInt | None:
        request = pb.GetUnreadNotificationCountRequest()
        return big((await ask(info.context.clients.notifications.GetUnreadNotificationCount(request))).unread_count)

    @strawberry.field(description="What the viewer chose about notifications.")
    async def notification_settings(self, info: GatewayInfo) -> NotificationSettings | None:
        answer = await ask(info.context.clients.notifications.GetNotificationSettings(pb.GetNotificationSettingsRequest()))
        return NotificationSettings.of(answer.settings)


@strawberry.input(description="What was read; requestId makes it repeatable for 24 h.")
class MarkNotificationsReadInput:
    request_id: strawberry.ID | None = None
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="Notifications, at most 50.")
    up_to: str | None = strawberry.field(
        default=None, description="A cursor of changes: all that stood in the inbox at that moment is marked."
    )


@strawberry.input(description="Where a kind is to be told.")
class NotificationPreferenceInput:
    kind: NotificationKind
    in_app: bool
    push: bool
    mail: bool


@strawberry.input(description="When pushes and mails wait; with enabled false they never do.")
class QuietHoursInput:
    enabled: bool
    from_minute: int = 0
    to_minute: int = 0
    time_zone: str = ""


@strawberry.input(description="What changes; what is left out stays. requestId makes it repeatable for 24 h.")
class UpdateNotificationSettingsInput:
    request_id: strawberry.ID | None = None
    preferences: list[NotificationPreferenceInput] | None = None
    quiet_hours: QuietHoursInput | None = None


@strawberry.type(description="How many are unread after the call, or why nothing happened.")
class MarkNotificationsReadPayload:
    unread_count: BigInt | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The settings after the call, or why nothing happened.")
class UpdateNotificationSettingsPayload:
    settings: NotificationSettings | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class NotificationMutation:
    @strawberry.mutation(description="Mark notifications as read; unknown ids are passed over.")
    async def mark_notifications_read(self, info: GatewayInfo, input: MarkNotificationsReadInput) -> MarkNotificationsReadPayload | None:
        request = pb.MarkNotificationsReadRequest(
            request_id=_request_id(input.request_id),
            notification_ids=[number_of(one) for one in input.ids or ()],
            up_to=input.up_to or "",
        )
        answer, errors = await attempt(info.context.clients.notifications.MarkNotificationsRead(request))
        return MarkNotificationsReadPayload(unread_count=big(answer.unread_count) if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Choose where kinds are told, and when pushes and mails wait.")
    async def update_notification_settings(
        self, info: GatewayInfo, input: UpdateNotificationSettingsInput
    ) -> UpdateNotificationSettingsPayload | None:
        request = pb.UpdateNotificationSettingsRequest(
            request_id=_request_id(input.request_id),
            preferences=[
                pb.NotificationPreference(
                    kind=pb.NotificationKind.ValueType(one.kind.value), in_app=one.in_app, push=one.push, mail=one.mail
                )
                for one in input.preferences or ()
            ],
        )
        if (quiet := input.quiet_hours) is not None:
            request.quiet_hours.CopyFrom(
                pb.QuietHours(enabled=quiet.enabled, from_minute=quiet.from_minute, to_minute=quiet.to_minute, time_zone=quiet.time_zone)
            )
        answer, errors = await attempt(info.context.clients.notifications.UpdateNotificationSettings(request))
        settings = NotificationSettings.of(answer.settings) if answer is not None else None
        return UpdateNotificationSettingsPayload(settings=settings, user_errors=errors)


def _request_id(given: strawberry.ID | None) -> str:
    return given if given is not None else new_request_id()
