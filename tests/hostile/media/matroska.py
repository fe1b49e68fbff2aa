"""Writes Matroska and WebM files element by element, so that every element can lie."""

from collections.abc import Sequence

from tests.hostile.media.pictures import SIDE, stream

CLOCK_NS = 1_000_000
_UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_CLUSTER_MS = 5000


def element(number: int, *parts: bytes, size: int | None = None, unknown: bool = False) -> bytes:
    """An element; `size` is what it says of itself where that is not the truth."""
    content = b"".join(parts)
    name = number.to_bytes((number.bit_length() + 7) // 8)
    told = len(content) if size is None else size
    return name + (_UNKNOWN if unknown else (1 << 56 | told).to_bytes(8)) + content


def uint(number: int, value: int) -> bytes:
    """An element that holds a number."""
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


HEAD = element(
    0x1A45DFA3,
    uint(0x4286, 1),
    uint(0x42F7, 1),
    uint(0x42F2, 4),
    uint(0x42F3, 8),
    element(0x4282, b"matroska"),
    uint(0x4287, 4),
    uint(0x4285, 2),
)


def track(*, number: int = 1, codec: bytes = b"V_MPEG4/ISO/AVC", private: bytes | None = None, more: bytes = b"") -> bytes:
    """A track of pictures."""
    size = element(0xE0, uint(0xB0, SIDE), uint(0xBA, SIDE))
    config = element(0x63A2, stream().config if private is None else private)
    return element(0xAE, uint(0xD7, number), uint(0x73C5, number), uint(0x83, 1), element(0x86, codec), config, size, more)


def film(
    *,
    times_ms: Sequence[int] | None = None,
    tracks: Sequence[bytes] | None = None,
    samples: Sequence[bytes] | None = None,
    clock_ns: int = CLOCK_NS,
    declared: bytes = b"",
    more: bytes = b"",
    begin: int = 0,
    unknown: bool = False,
    cluster: int = _CLUSTER_MS,
) -> bytes:
    """A whole file, by default 15.5 s of pictures at 24 a second. begin: time of the first cluster, in ticks of the clock."""
    times = [round(number * 1000 / 24) for number in range(372)] if times_ms is None else list(times_ms)
    material = stream().samples if samples is None else samples
    info = element(_INFO, uint(0x2AD7B1, clock_ns), declared, element(0x4D80, b"hand"), element(0x5741, b"hand"))
    clusters: list[bytes] = []
    blocks: list[bytes] = []
    origin = times[0] if times else 0
    for index, time in enumerate(times):
        if blocks and not 0 <= time - origin < cluster:
            clusters.append(element(_CLUSTER, uint(0xE7, begin + max(origin, 0)), *blocks, unknown=unknown))
            blocks, origin = [], time
        relative = time - max(origin, 0)
        blocks.append(element(0xA3, b"\x81", (relative & 0xFFFF).to_bytes(2), b"\x80", material[index % len(material)]))
    clusters.append(element(_CLUSTER, uint(0xE7, begin + max(origin, 0)), *blocks, unknown=unknown))
    described = element(_TRACKS, *([track()] if tracks is None else tracks))
    return HEAD + element(_SEGMENT, info, described, more, *clusters, unknown=unknown)
