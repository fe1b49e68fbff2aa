"""Timestamps to durations and rates."""

from fractions import Fraction

from svc_video.processing.media.timeline import read_timelines

MS = Fraction(1, 1000)


def lines(*stamps: int, stream: int = 0, duration: str = "40", flags: str = "K__") -> str:
    return "".join(f"{stream},{stamp},{stamp},{duration},{flags}\n" for stamp in stamps)


def test_duration_and_rate_come_from_presentation_order() -> None:
    timeline = read_timelines(lines(0, 120, 40, 80), {0: MS})[0]
    assert (timeline.start_ticks, timeline.end_ticks, timeline.count) == (0, 160, 4)
    assert timeline.rate == 25
    assert not timeline.uneven


def test_packets_hidden_by_an_edit_list_do_not_count() -> None:
    timeline = read_timelines(lines(-80, -40, flags="K_D") + lines(0, 40, 80), {0: MS})[0]
    assert (timeline.start_ticks, timeline.end_ticks) == (0, 120)


def test_decoding_time_serves_where_there_is_no_other() -> None:
    packets = "0,N/A,0,1,K__\n0,N/A,1,1,___\n0,N/A,2,1,___,Skip Samples,312\n"
    assert read_timelines(packets, {0: Fraction(1, 25)})[0].rate == 25


def test_a_shaking_millisecond_clock_is_not_a_variable_rate_and_a_pause_is() -> None:
    steady = [round(index * 1000 / 30) for index in range(300)]
    assert not read_timelines(lines(*steady, duration="33"), {0: MS})[0].uneven
    paused = [stamp + (stamp // 1000) * 150 for stamp in steady]
    timeline = read_timelines(lines(*paused, duration="33"), {0: MS})[0]
    assert timeline.uneven
    assert timeline.longest_ticks == 183
    assert timeline.rate < 27
    assert round(timeline.nominal_rate) == 30


def test_other_streams_and_lonely_packets_are_left_out() -> None:
    assert read_timelines(lines(0, 40) + lines(0, stream=1) + lines(0, 1, stream=2), {0: MS, 1: MS}).keys() == {0}
