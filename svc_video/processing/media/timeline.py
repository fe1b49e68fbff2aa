"""The timestamps of a stream's packets: the only honest source of duration and frame rate."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from io import StringIO

import numpy as np
from numpy.typing import NDArray

_UNEVEN_GAP = 1.5
_UNEVEN_SHARE = 0.01
_PULLED_SHARE = 20
_MOST_TICKS = 1 << 61
"""Beyond it nobody counts; differences of such numbers still fit into 64 bits."""


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
    ticks = {index: (array("q"), array("q")) for index in time_bases}
    # Line by line and in arrays: a hostile file has a million packets.
    for line in StringIO(packets):
        fields = line.split(",")
        if len(fields) < 5 or not fields[0].isdigit() or int(fields[0]) not in ticks or "D" in fields[4]:
            continue
        time = fields[1] if fields[1] != "N/A" else fields[2]
        if time != "N/A" and abs(int(time)) < _MOST_TICKS:
            stamps, durations = ticks[int(fields[0])]
            stamps.append(int(time))
            durations.append(min(int(fields[3]), _MOST_TICKS) if fields[3].isdigit() else 0)
    return {
        index: _timeline(np.frombuffer(stamps, dtype=np.int64), np.frombuffer(durations, dtype=np.int64), time_bases[index])
        for index, (stamps, durations) in ticks.items()
        if len(stamps) > 1
    }


def _timeline(stamps: NDArray[np.int64], durations: NDArray[np.int64], time_base: Fraction) -> Timeline:
    order = np.lexsort((durations, stamps))
    gaps = np.diff(stamps[order])
    usual = max(int(np.partition(gaps, (len(gaps) - 1) // 2)[(len(gaps) - 1) // 2]), 1)
    # A millisecond clock shakes by a tick; that is not a variable rate.
    odd = int(np.count_nonzero((np.abs(gaps - usual) > 1) & ((gaps < usual / _UNEVEN_GAP) | (gaps > usual * _UNEVEN_GAP))))
    last, duration = int(stamps[order[-1]]), int(durations[order[-1]])
    return Timeline(
        time_base=time_base,
        start_ticks=int(stamps[order[0]]),
        end_ticks=last + (duration or usual),
        count=len(stamps),
        longest_ticks=max(int(gaps.max()), duration, usual),
        usual_ticks=usual,
        uneven=odd > len(gaps) * _UNEVEN_SHARE,
    )
