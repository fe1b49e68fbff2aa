"""Pure decisions about what a person wants to be told, where and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mesh.errors import InvalidArgument
from svc_social.notifications.errors import NotificationKindRequired, UnknownTimeZone
from svc_social.notifications.tables import Channel, NotificationKind, SettingsRow

DAY_MINUTES = 24 * 60

_PUSHED = frozenset(
    {
        NotificationKind.FOLLOW,
        NotificationKind.FOLLOW_REQUEST,
        NotificationKind.FOLLOW_APPROVED,
        NotificationKind.COMMENT,
        NotificationKind.REPLY,
        NotificationKind.MENTION,
        NotificationKind.VIDEO_FAILED,
        NotificationKind.VERDICT,
        NotificationKind.SECURITY,
    }
)
_MAILED = frozenset({NotificationKind.SECURITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where a kind is told."""

    in_app: bool
    push: bool
    mail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When pushes and mails wait, by the clock of a zone."""

    from_minute: int
    to_minute: int
    zone: str

    @classmethod
    def checked(cls, *, from_minute: int, to_minute: int, zone: str) -> QuietHours:
        """Quiet hours that can be. Raises UnknownTimeZone and InvalidArgument."""
        if not (0 <= from_minute < DAY_MINUTES and 0 <= to_minute < DAY_MINUTES) or from_minute == to_minute:
            raise InvalidArgument("quiet hours begin and end at two different minutes of a day", field="quiet_hours.to_minute")
        zone = zone or "UTC"
        _zone(zone)
        return cls(from_minute=from_minute, to_minute=to_minute, zone=zone)

    @classmethod
    def of_words(cls, words: str) -> QuietHours | None:
        """What `words` made; None for an empty text."""
        if not words:
            return None
        from_minute, to_minute, zone = words.split(" ")
        return cls(from_minute=int(from_minute), to_minute=int(to_minute), zone=zone)

    @property
    def words(self) -> str:
        """As one text, to be sealed."""
        return f"{self.from_minute} {self.to_minute} {self.zone}"

    def end_ms(self, now_ms: int) -> int:
        """When the quiet of this moment ends; 0 when it is not quiet."""
        local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_zone(self.zone))
        minute = local.hour * 60 + local.minute
        if self.from_minute < self.to_minute:
            quiet = self.from_minute <= minute < self.to_minute
        else:
            quiet = minute >= self.from_minute or minute < self.to_minute
        if not quiet:
            return 0
        end = local.replace(hour=self.to_minute // 60, minute=self.to_minute % 60, second=0, microsecond=0, fold=0)
        if end <= local:
            # By the clock of the zone: a day in which it is changed has 23 or 25 hours.
            end += timedelta(days=1)
        # A clock that was put back shows the minute twice.
        end_ms = int(end.timestamp() * 1000)
        return end_ms if end_ms > now_ms else int(end.replace(fold=1).timestamp() * 1000)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone() from error


def default_of(kind: NotificationKind) -> Choice:
    """What holds until somebody chooses."""
    return Choice(in_app=True, push=kind in _PUSHED, mail=kind in _MAILED)


def choice_of(row: SettingsRow, kind: NotificationKind) -> Choice:
    """What a person wants of a kind."""
    bit = 1 << kind
    if not row.chosen_mask & bit:
        return default_of(kind)
    return Choice(in_app=bool(row.inbox_mask & bit), push=bool(row.push_mask & bit), mail=bool(row.mail_mask & bit))


def channels_of(row: SettingsRow, kind: NotificationKind) -> tuple[Channel, ...]:
    """How else a person wants to be told of a kind; nothing of what is kept out of the inbox."""
    choice = choice_of(row, kind)
    wanted = ((Channel.PUSH, choice.push), (Channel.MAIL, choice.mail))
    return tuple(channel for channel, on in wanted if on and choice.in_app)


def check(choices: Mapping[NotificationKind, Choice]) -> None:
    """Raises NotificationKindRequired."""
    security = choices.get(NotificationKind.SECURITY)
    if security is not None and not security.in_app:
        raise NotificationKindRequired()


def with_choices(row: SettingsRow, choices: Mapping[NotificationKind, Choice]) -> SettingsRow:
    """The settings after a person chose about kinds."""
    for kind, choice in choices.items():
        bit = 1 << kind
        row = replace(
            row,
            chosen_mask=row.chosen_mask | bit,
            inbox_mask=_set(row.inbox_mask, bit, choice.in_app),
            push_mask=_set(row.push_mask, bit, choice.push),
            mail_mask=_set(row.mail_mask, bit, choice.mail),
        )
    return row


def _set(mask: int, bit: int, on: bool) -> int:
    return mask | bit if on else mask & ~bit
