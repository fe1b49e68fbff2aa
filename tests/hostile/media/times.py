"""Films whose clocks are wrong, strange or at the very edge."""

from tests.hostile.media import matroska, riff
from tests.hostile.media.case import Case
from tests.hostile.media.mp4 import Track, film, sound

_FRAME_RATE = "FPS_OUT_OF_RANGE"


def times() -> dict[str, Case]:
    """Lengths, rates, edit lists, timestamps."""
    return {
        "seconds_14_9": Case(write=lambda: _even(149, 10), reason="DURATION_TOO_SHORT"),
        "seconds_15": Case(write=lambda: _even(150, 10), facts={"duration_ms": 15_000}),
        "seconds_600": Case(write=lambda: _even(6000, 10), facts={"duration_ms": 600_000}),
        "seconds_600_1": Case(write=lambda: _even(6001, 10), reason="DURATION_TOO_LONG"),
        "three_hours": Case(write=lambda: _even(10_800, 1), reason="DURATION_TOO_LONG"),
        "rate_250": Case(write=lambda: _even(3875, 250), facts={"fps": "250", "duration_ms": 15_500}),
        "rate_251": Case(write=lambda: _even(3891, 251), reason=_FRAME_RATE),
        "rate_1000": Case(write=lambda: _even(15_500, 1000), reason=_FRAME_RATE),
        "rate_1000_at_the_full_length": Case(write=lambda: _even(600_000, 1000), reason=_FRAME_RATE, slow=True),
        "rate_1": Case(write=lambda: _even(16, 1), facts={"fps": "1"}),
        "rate_below_1": Case(write=lambda: film(Track(timescale=10, times=((16, 11),)), shared=True), reason=_FRAME_RATE),
        "rate_0": Case(write=lambda: film(Track(times=((372, 0),)), sound(), shared=True), reason="DURATION_TOO_SHORT"),
        "rate_0_in_avi": Case(write=lambda: riff.film(rate=0), facts={"fps": "1", "duration_ms": 372_000}),
        "rate_of_nothing_in_avi": Case(write=lambda: riff.film(rate=0, scale=0), reason="DURATION_TOO_SHORT"),
        "rate_1000_in_avi": Case(write=lambda: riff.film(count=15_500, rate=1000, samples=[b"\0"]), reason="CORRUPT_MEDIA"),
        "two_pictures_far_apart": Case(write=lambda: film(Track(timescale=1, times=((2, 10),)), shared=True), reason=_FRAME_RATE),
        "crowded_and_still": Case(
            write=lambda: film(Track(timescale=1000, times=((20, 1), (1, 14_000), (60, 25))), shared=True),
            facts={"variable_frame_rate": True, "longest_frame_ms": 14_000},
        ),
        "clock_of_zero_ticks": Case(write=lambda: film(Track(timescale=0), sound()), facts={"fps": "1", "duration_ms": 372_000}),
        "clock_of_the_most_ticks": Case(
            write=lambda: film(Track(timescale=0xFFFFFFFF, times=((4, 0xF0000000),)), shared=True), reason="DURATION_TOO_LONG"
        ),
        "says_ten_hours": Case(write=lambda: film(declared_ms=36_000_000), facts={"duration_ms": 15_500}),
        "track_says_ten_hours": Case(write=lambda: film(Track(declared_ms=36_000_000), sound()), facts={"duration_ms": 15_500}),
        "says_nothing": Case(write=lambda: film(Track(declared_ms=0), declared_ms=0), facts={"duration_ms": 15_500}),
        "edit_that_hides_the_beginning": Case(write=lambda: _edited((15_000, 24, 1), count=384), facts={"duration_ms": 15_000}),
        "edit_that_hides_too_much": Case(write=lambda: _edited((14_000, 36, 1)), reason="DURATION_TOO_SHORT"),
        "edit_that_waits": Case(write=lambda: _edited((700, -1, 1), (15_500, 0, 1)), facts={"duration_ms": 15_500}),
        "edit_that_shows_twice": Case(write=lambda: _edited((15_500, 0, 1), (15_500, 0, 1)), facts={"duration_ms": 31_000}),
        "edit_backwards": Case(write=lambda: _edited((8_000, 180, 1), (7_500, 0, 1)), facts={"duration_ms": 15_500}),
        "edit_of_no_rate": Case(write=lambda: _edited((15_500, 0, 0)), facts={"duration_ms": 15_500}),
        "edit_before_time": Case(write=lambda: _edited((15_500, -5, 1)), facts={"duration_ms": 15_292}),
        "edit_behind_the_end": Case(write=lambda: _edited((15_500, 9_999_999, 1)), reason="CORRUPT_MEDIA"),
        "edits_ten_thousand": Case(write=lambda: _edited(*[(15_500, 0, 1)] * 10_000), reason="CORRUPT_MEDIA", slow=True),
        "edits_fifty": Case(write=lambda: _edited(*[(15_500, 0, 1)] * 50), reason="DURATION_TOO_LONG"),
        "shown_before_time": Case(write=lambda: film(Track(offsets=((372, -48),)), sound()), facts={"duration_ms": 15_500}),
        "shown_after_the_end_of_time": Case(
            write=lambda: film(Track(offsets=((1, 0), (371, 0x7FFFFFF0))), sound()), reason="DURATION_TOO_LONG"
        ),
        "time_that_wraps": Case(
            write=lambda: film(Track(times=((186, 1), (1, 0xFFFFFFFF), (185, 1))), sound()), facts={"duration_ms": 15_500}
        ),
        "time_that_turns_back": Case(
            write=lambda: matroska.film(times_ms=[15_500 - round(at * 1000 / 24) for at in range(372)], cluster=30_000),
            reason="DURATION_TOO_SHORT",
        ),
        "time_that_stands_still": Case(write=lambda: matroska.film(times_ms=[0] * 372), reason="DURATION_TOO_SHORT"),
        "time_before_zero": Case(
            write=lambda: matroska.film(times_ms=[round(at * 1000 / 24) - 900 for at in range(408)], cluster=20_000),
            facts={"duration_ms": 16_082},
        ),
        "time_at_ten_hours": Case(
            write=lambda: matroska.film(begin=36_000_000), facts={"duration_ms": 15_499, "container_start_us": 36_000_000_000}
        ),
        "time_at_the_end_of_64_bits": Case(write=lambda: matroska.film(begin=(1 << 63) - 5000), reason="DURATION_TOO_SHORT"),
        "time_of_no_clock": Case(write=lambda: matroska.film(clock_ns=0), facts={"duration_ms": 15_499}),
        "time_of_a_slow_clock": Case(write=lambda: matroska.film(clock_ns=1 << 62), reason="CORRUPT_MEDIA"),
    }


def _even(count: int, rate: int) -> bytes:
    return film(Track(timescale=rate, times=((count, 1),)), shared=True)


def _edited(*edits: tuple[int, int, int], count: int = 372) -> bytes:
    return film(Track(edits=edits, times=((count, 1),)), shared=True)
