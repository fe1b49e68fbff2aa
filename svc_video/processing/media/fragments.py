"""Reads the times of CMAF segments from their boxes, to the tick, as a strict player would."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NOT_SYNC = 0x10000


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One media segment."""

    start_ticks: int
    """Presentation time of its first sample in presentation order."""
    duration_ticks: int
    samples: int
    starts_with_sync: bool


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Type, start and end of the content of each box in data[start:end]; ValueError where they do not fit."""
    end = len(data) if end is None else end
    while start < end:
        if end - start < 8:
            raise ValueError("stray bytes after the last box")
        size, header = int.from_bytes(data[start : start + 4]), 8
        if size == 1:
            size, header = int.from_bytes(data[start + 8 : start + 16]), 16
        if size < header or start + size > end:
            raise ValueError(f"a box of {size} bytes at {start} does not fit")
        yield data[start + 4 : start + 8].decode("latin-1"), start + header, start + size
        start += size


def find(data: bytes, *path: str) -> Iterator[tuple[int, int]]:
    """Content bounds of every box at that path."""

    def within(start: int, end: int, names: tuple[str, ...]) -> Iterator[tuple[int, int]]:
        for kind, content, stop in boxes(data, start, end):
            if kind == names[0]:
                if len(names) == 1:
                    yield content, stop
                else:
                    yield from within(content, stop, names[1:])

    return within(0, len(data), path)


def track_timescale(init: bytes) -> int:
    """Ticks per second of the only track of an init segment."""
    content, _ = next(find(init, "moov", "trak", "mdia", "mdhd"))
    return int.from_bytes(init[content + (20 if init[content] == 1 else 12) :][:4])


def track_defaults(init: bytes) -> tuple[int, int]:
    """Default sample duration and flags of an init segment's track."""
    content, _ = next(find(init, "moov", "mvex", "trex"))
    duration, _, flags = struct.unpack(">III", init[content + 12 : content + 24])
    return duration, flags


def read_segment(data: bytes, init: bytes) -> Segment:
    """Times of a media segment with any number of fragments."""
    start: int | None = None
    total = samples = 0
    sync = False
    for traf, stop in find(data, "moof", "traf"):
        inner = {kind: content for kind, content, _ in boxes(data, traf, stop)}
        duration, flags = _fragment_defaults(data, inner["tfhd"], track_defaults(init))
        decode = int.from_bytes(data[inner["tfdt"] + 4 :][: 8 if data[inner["tfdt"]] == 1 else 4])
        offsets: list[int] = []
        for kind, content, _ in boxes(data, traf, stop):
            if kind == "trun":
                for sample_duration, sample_flags, offset in _samples(data, content, duration, flags):
                    if samples == 0:
                        sync = not sample_flags & _NOT_SYNC
                    offsets.append(decode + offset)
                    decode += sample_duration
                    total += sample_duration
                    samples += 1
        start = min([*offsets, *([] if start is None else [start])])
    if start is None:
        raise ValueError("no fragment")
    return Segment(start_ticks=start, duration_ticks=total, samples=samples, starts_with_sync=sync)


def _fragment_defaults(data: bytes, content: int, track: tuple[int, int]) -> tuple[int, int]:
    present = int.from_bytes(data[content + 1 : content + 4])
    at = content + 8
    duration, flags = track
    for bit, size in ((0x01, 8), (0x02, 4), (0x08, 4), (0x10, 4), (0x20, 4)):
        if present & bit:
            value = int.from_bytes(data[at : at + size])
            duration = value if bit == 0x08 else duration
            flags = value if bit == 0x20 else flags
            at += size
    return duration, flags


def _samples(data: bytes, content: int, duration: int, flags: int) -> Iterator[tuple[int, int, int]]:
    """Duration, flags and composition offset of each sample of a run."""
    version, present = data[content], int.from_bytes(data[content + 1 : content + 4])
    count, at = int.from_bytes(data[content + 4 : content + 8]), content + 8
    at += 4 if present & 0x01 else 0
    first_flags = int.from_bytes(data[at : at + 4]) if present & 0x04 else None
    at += 4 if present & 0x04 else 0
    for index in range(count):
        sample_duration, sample_flags, offset = duration, flags if index or first_flags is None else first_flags, 0
        for bit in (0x100, 0x200, 0x400, 0x800):
            if present & bit:
                raw = data[at : at + 4]
                at += 4
                if bit == 0x100:
                    sample_duration = int.from_bytes(raw)
                elif bit == 0x400:
                    sample_flags = int.from_bytes(raw)
                elif bit == 0x800:
                    offset = int.from_bytes(raw, signed=version == 1)
        yield sample_duration, sample_flags, offset
