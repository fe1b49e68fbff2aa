"""The hours of the day in which work is done that can wait, by the clock on the wall of one place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)(?: ([A-Za-z0-9_+/-]{1,60}))?", re.ASCII)
_DAYS_AHEAD = 3
"""A window that the change to summer time swallows opens on the day after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From one moment of the day to another, over midnight where the second is the smaller one."""

    start_minute: int
    end_minute: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """`02:00-06:00 Europe/Paris`, UTC where no place is named; None for an empty text. ValueError says what is wrong."""
        if not text:
            return None
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no window such as 02:00-06:00 or 02:00-06:00 Europe/Paris")
        start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
        if start == end:
            raise ValueError(f"{text!r} begins when it ends; leave it empty for the whole day")
        try:
            zone = ZoneInfo(found[5] or "UTC")
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{found[5]!r} is no time zone that this machine knows") from error
        return cls(start_minute=start, end_minute=end, zone=zone)

    def opens_at_ms(self, now_ms: int) -> int:
        """`now_ms` within the window, else when it opens next."""
        if self._is_open(now_ms):
            return now_ms
        here = datetime.fromtimestamp(now_ms / 1000, self.zone)
        midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
        for days in range(_DAYS_AHEAD):
            start = midnight + timedelta(days=days, minutes=self.start_minute)
            start_ms = int(start.astimezone(UTC).timestamp()) * 1000
            if start_ms > now_ms and self._is_open(start_ms):
                return start_ms
        return now_ms + timedelta(days=1) // timedelta(milliseconds=1)

    def _is_open(self, at_ms: int) -> bool:
        here = datetime.fromtimestamp(at_ms / 1000, self.zone)
        minute = here.hour * 60 + here.minute
        if self.start_minute < self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


def opens_at_ms(quiet: QuietHours | None, now_ms: int) -> int:
    """When work that can wait may begin; at once where no hours are named."""
    return now_ms if quiet is None else quiet.opens_at_ms(now_ms)
