"""The hours in which work is done that can wait."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from svc_video.processing.quiet import QuietHours, opens_at_ms


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        ("02:00-06:00", "2026-01-05T01:59:59", "2026-01-05T02:00:00"),
        ("02:00-06:00", "2026-01-05T02:00:00", "2026-01-05T02:00:00"),
        ("02:00-06:00", "2026-01-05T05:59:59", "2026-01-05T05:59:59"),
        ("02:00-06:00", "2026-01-05T06:00:00", "2026-01-06T02:00:00"),
        ("22:30-04:15", "2026-01-05T12:00:00", "2026-01-05T22:30:00"),
        ("22:30-04:15", "2026-01-05T23:59:59", "2026-01-05T23:59:59"),
        ("22:30-04:15", "2026-01-06T04:14:59", "2026-01-06T04:14:59"),
        ("22:30-04:15", "2026-01-06T04:15:00", "2026-01-06T22:30:00"),
    ],
)
def test_work_begins_within_the_window_or_when_it_opens_next(hours: str, now: str, opens: str) -> None:
    assert opens_at_ms(QuietHours.parse(hours), at(now)) == at(opens)


def test_the_window_is_that_of_its_place_in_summer_and_winter() -> None:
    hours = QuietHours.parse("02:00-06:00 America/New_York")
    assert opens_at_ms(hours, at("2026-01-05T12:00:00")) == at("2026-01-06T07:00:00")
    assert opens_at_ms(hours, at("2026-07-05T12:00:00")) == at("2026-07-06T06:00:00")


def test_a_window_that_summer_time_swallows_opens_on_the_day_after() -> None:
    hours = QuietHours.parse("02:00-03:00 Europe/Paris")
    assert opens_at_ms(hours, at("2026-03-28T12:00:00", "Europe/Paris")) == at("2026-03-30T02:00:00", "Europe/Paris")


def test_without_hours_work_begins_at_once() -> None:
    assert QuietHours.parse("") is None
    assert opens_at_ms(None, 5) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2-6", "no window such as"),
        ("24:00-06:00", "no window such as"),
        ("02:00-02:00", "leave it empty"),
        ("02:00-06:00 Atlantis/Main", "no time zone"),
        ("02:00-06:00 ../../etc/passwd", "no window such as"),
    ],
)
def test_what_is_no_window_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        QuietHours.parse(text)
