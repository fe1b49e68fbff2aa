"""The timestamps of a stream's packets: the only honest source of duration and frame rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

_UNEVEN_GAP = 1.5
_UNEVEN_SHARE = 0.01
_PULLED_SHARE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One stream in presentation order."""

    time_base: Fraction
    start_ticks: int
    end_ticks: int
    """End of the last packet's presentation."""
    count: int
    longest_ticks: int
    """The longest distance between two neighbours."""
    usual_ticks: int
    """The median distance."""
    uneven: bool
    """More than 1 % of the distances are half again as long, or less than two thirds as long, as the usual one."""

    @property
    def rate(self) -> Fraction:
        """Packets per second."""
        return self.count / ((self.end_ticks - self.start_ticks) * self.time_base)

    @property
    def nominal_rate(self) -> Fraction:
        """The average rate, or where pauses pull it down by more than a twentieth the rate at the median distance."""
        usual = 1 / (self.usual_ticks * self.time_base)
        return self.rate if abs(self.rate - usual) * _PULLED_SHARE <= usual else usual


def read_timelines(packets: str, time_bases: Mapping[int, Fraction]) -> dict[int, Timeline]:
    """Timelines of the wanted streams from ffprobe's lines "stream,pts,dts,duration,flags,...".

    Packets that an edit list hides (flag D) are no part of the presentation; AVI knows decoding times only.
    """
    ticks: dict[int, list[tuple[int, int]]] = {index: [] for index in time_bases}
    for line in packets.splitlines():
        fields = line.split(",")
        if len(fields) < 5 or not fields[0].isdigit() or int(fields[0]) not in ticks or "D" in fields[4]:
            continue
        time = fields[1] if fields[1] != "N/A" else fields[2]
        if time != "N/A":
            ticks[int(fields[0])].append((int(time), int(fields[3]) if fields[3].isdigit() else 0))
    return {index: _timeline(stamps, time_bases[index]) for index, stamps in ticks.items() if len(stamps) > 1}


def _timeline(stamps: list[tuple[int, int]], time_base: Fraction) -> Timeline:
    stamps.sort()
    gaps = [after[0] - before[0] for before, after in pairwise(stamps)]
    usual = max(median_low(gaps), 1)
    # A millisecond clock shakes by a tick; that is not a variable rate.
    odd = sum(1 for gap in gaps if abs(gap - usual) > 1 and not usual / _UNEVEN_GAP <= gap <= usual * _UNEVEN_GAP)
    last, duration = stamps[-1]
    return Timeline(
        time_base=time_base,
        start_ticks=stamps[0][0],
        end_ticks=last + (duration or usual),
        count=len(stamps),
        longest_ticks=max(*gaps, duration, usual) if gaps else usual,
        usual_ticks=usual,
        uneven=odd > len(gaps) * _UNEVEN_SHARE,
    )
