"""Pure decisions about notifications: quiet hours by the clock of a zone, defaults, and how rows and protos name things."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from clipmesh.social.v1 import notification_service_pb2 as pb

from gateway.schema import inboxes
from gateway.schema import notifications as shown
from gateway.schema.enums import NotificationKind as ShownKind
from svc_social.notifications import rules, wiring
from svc_social.notifications.choices import QuietHours, channels_of, choice_of
from svc_social.notifications.convert import entry_to_proto
from svc_social.notifications.rules import Place
from svc_social.notifications.tables import Channel, InboxEntry, NotificationKind, SettingsRow


def ms(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "zone", "now", "end"),
    [
        ((22, 7), "Europe/Berlin", "2026-01-10T21:59:59", ""),
        ((22, 7), "Europe/Berlin", "2026-01-10T22:00:00", "2026-01-11T07:00:00"),
        ((22, 7), "Europe/Berlin", "2026-01-11T06:59:59", "2026-01-11T07:00:00"),
        ((22, 7), "Europe/Berlin", "2026-01-11T07:00:00", ""),
        ((9, 17), "America/New_York", "2026-01-10T12:00:00", "2026-01-10T17:00:00"),
        ((9, 17), "Asia/Kolkata", "2026-01-10T08:59:59", ""),
        # The night in which the clock goes forward has no half past two, the one in which it goes back has two.
        ((22, 7), "Europe/Berlin", "2026-03-28T23:00:00", "2026-03-29T07:00:00"),
        ((22, 7), "Europe/Berlin", "2026-10-24T23:00:00", "2026-10-25T07:00:00"),
    ],
)
def test_quiet_hours_follow_the_clock_of_their_zone(hours: tuple[int, int], zone: str, now: str, end: str) -> None:
    quiet = QuietHours.checked(from_minute=hours[0] * 60, to_minute=hours[1] * 60, zone=zone)
    assert QuietHours.of_words(quiet.words) == quiet
    assert quiet.end_ms(ms(now, zone)) == (ms(end, zone) if end else 0)


def test_quiet_hours_that_end_in_the_repeated_hour_always_end_later() -> None:
    quiet = QuietHours.checked(from_minute=22 * 60, to_minute=2 * 60 + 30, zone="Europe/Berlin")
    for minute in range(0, 6 * 60, 7):
        now_ms = ms("2026-10-24T23:00:00", "Europe/Berlin") + minute * 60_000
        assert quiet.end_ms(now_ms) == 0 or now_ms < quiet.end_ms(now_ms) <= now_ms + 24 * 3_600_000


def test_without_a_choice_the_defaults_hold_and_what_is_kept_out_is_not_delivered() -> None:
    nothing = SettingsRow(user_id=1)
    assert channels_of(nothing, NotificationKind.SECURITY) == (Channel.PUSH, Channel.MAIL)
    assert channels_of(nothing, NotificationKind.LIKE) == ()
    assert all(choice_of(nothing, kind).in_app for kind in NotificationKind)
    bit = 1 << NotificationKind.LIKE
    assert channels_of(SettingsRow(user_id=1, chosen_mask=bit, push_mask=bit), NotificationKind.LIKE) == ()


def test_kinds_are_named_alike_everywhere() -> None:
    proto = {name.removeprefix("NOTIFICATION_KIND_"): number for name, number in pb.NotificationKind.items() if number}
    assert {kind.name: kind.value for kind in NotificationKind} == proto
    assert {kind.name: kind.value for kind in ShownKind} == proto
    assert inboxes.NOTIFICATIONS_TOPIC == wiring.NOTIFICATIONS_TOPIC
    assert shown.ACTORS == rules.SHOWN_ACTORS


def test_a_place_is_its_key() -> None:
    place = Place(kind=NotificationKind.REPLY, video_id=5, comment_id=6, window=20_000)
    assert Place.of_key(place.key) == place


def test_every_field_of_an_entry_reaches_its_proto() -> None:
    entry = InboxEntry(
        user_id=1,
        place="8:5:6:1",
        notification_id=2,
        kind=8,
        video_id=5,
        comment_id=6,
        detail="word",
        actors="9 8",
        count=3,
        updated_at_ms=7,
    )
    proto = entry_to_proto(entry, unread=True)
    assert {field.name for field, _ in proto.ListFields()} == {field.name for field in proto.DESCRIPTOR.fields} - {"gone"}


def test_people_who_may_not_be_shown_leave_the_count_of_people_too() -> None:
    entry = InboxEntry(user_id=1, place="4:5:0:1", kind=4, actors=" ".join(map(str, range(9, 2, -1))), count=42)
    seen = rules.shown(entry, {9, 7})
    assert seen is not None
    assert (rules.actors_of(seen), seen.count) == ((8, 6, 5, 4, 3), 40)
    few = InboxEntry(user_id=1, place="4:5:0:1", kind=4, actors="9 7", count=2)
    assert rules.shown(few, {9, 7}) is None
    assert rules.shown(InboxEntry(user_id=1, place="14:5:0:0", kind=14, count=1), {9}) is not None
