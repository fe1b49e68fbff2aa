"""Writes MP4 and QuickTime files box by box, so that every box can lie."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tests.hostile.media.pictures import SIDE, stream

FTYP = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42"
STRAIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)
"""The display matrix that turns nothing, in whole numbers."""
SELF = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
"""The entry of a data reference that says: the samples are in this very file."""
_MATRIX_ONES = (1 << 16, 1 << 16, 1 << 30)


def box(kind: bytes, *parts: bytes, length: int | None = None) -> bytes:
    """A box; `length` is what it says of itself where that is not the truth."""
    content = b"".join(parts)
    return (len(content) + 8 if length is None else length).to_bytes(4) + kind + content


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, bytes([version]), flags.to_bytes(3), *parts)


def u32(*values: int) -> bytes:
    """Numbers of four bytes; negative ones in two's complement."""
    return b"".join((value & 0xFFFFFFFF).to_bytes(4) for value in values)


def u16(*values: int) -> bytes:
    """Numbers of two bytes."""
    return b"".join(value.to_bytes(2) for value in values)


def avc_entry(config: bytes, *, width: int = SIDE, height: int = SIDE, kind: bytes = b"avc1", more: bytes = b"") -> bytes:
    """A sample entry for pictures."""
    return picture_entry(kind, box(b"avcC", config), more, width=width, height=height)


def picture_entry(kind: bytes, *boxes: bytes, width: int = SIDE, height: int = SIDE) -> bytes:
    """A sample entry for pictures of any codec."""
    head = [bytes(6), u16(1), bytes(16), u16(width, height), u32(72 << 16, 72 << 16, 0), u16(1), bytes(32), u16(24, 0xFFFF)]
    return box(kind, *head, *boxes)


def pcm_entry(*, kind: bytes = b"sowt", channels: int = 1, bits: int = 16, rate: int = 8000) -> bytes:
    """A sample entry for plain sound."""
    return box(kind, bytes(6), u16(1), bytes(8), u16(channels, bits, 0, 0), u32(rate << 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track; its samples are read round and round from `material`."""

    handler: bytes = b"vide"
    entry: bytes = field(default_factory=lambda: avc_entry(stream().config))
    material: Sequence[bytes] = field(default_factory=lambda: stream().samples)
    timescale: int = 24
    times: Sequence[tuple[int, int]] = ((372, 1),)
    """(how many samples, how long each of them is in ticks)."""
    offsets: Sequence[tuple[int, int]] = ()
    """(how many samples, how much later in ticks they are shown)."""
    edits: Sequence[tuple[int, int, int]] = ()
    """(how long in film ticks of 1/1000 s, from which tick of the track, rate)."""
    matrix: Sequence[float] = STRAIGHT
    declared_ms: int | None = None
    size: tuple[int, int] = (SIDE, SIDE)
    reference: bytes = SELF
    tables: bytes | None = None
    """Sample tables in place of the honest ones: everything behind stsd."""
    more: bytes = b""
    """Boxes added to the track."""

    @property
    def count(self) -> int:
        """Samples."""
        return sum(count for count, _ in self.times)

    @property
    def duration_ms(self) -> int:
        """What the film says of it."""
        if self.declared_ms is not None:
            return self.declared_ms
        return round(sum(count * delta for count, delta in self.times) * 1000 / max(self.timescale, 1))


def sound(*, entry: bytes | None = None, seconds: float = 15.5, more: bytes = b"") -> Track:
    """Silence of 8 kHz in pieces of a tenth of a second."""
    return Track(
        handler=b"soun",
        entry=pcm_entry() if entry is None else entry,
        material=[bytes(1600)],
        timescale=8000,
        times=((round(seconds * 10), 800),),
        size=(0, 0),
        more=more,
    )


def film(
    *tracks: Track,
    fast_start: bool = True,
    shared: bool = False,
    declared_ms: int | None = None,
    in_moov: bytes = b"",
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A whole file, by default a film of 15.5 s with sound. shared: tracks read the same few samples again and again."""
    tracks = tracks or (Track(), sound())
    longest_ms = declared_ms if declared_ms is not None else max(track.duration_ms for track in tracks)
    pools = [list(track.material) if shared else _repeated(track.material, track.count) for track in tracks]
    mdat = box(b"mdat", *(sample for pool in pools for sample in pool))
    begins = list(accumulate((sum(map(len, pool)) for pool in pools), initial=8))

    def moov(mdat_at: int) -> bytes:
        placed = [_places(pool, track.count, mdat_at + begin) for pool, track, begin in zip(pools, tracks, begins, strict=False)]
        traks = [_trak(number, track, *place) for number, (track, place) in enumerate(zip(tracks, placed, strict=True), 1)]
        header = full(b"mvhd", u32(0, 0, 1000, longest_ms, 1 << 16), bytes(12), _matrix(STRAIGHT), bytes(24), u32(len(tracks) + 1))
        return box(b"moov", header, *traks, in_moov)

    front = FTYP + before
    if not fast_start:
        return front + mdat + moov(len(front)) + after
    return front + moov(len(front) + len(moov(0))) + mdat + after


def _repeated(material: Sequence[bytes], count: int) -> list[bytes]:
    return [material[at % len(material)] for at in range(count)]


def _places(pool: Sequence[bytes], count: int, begin: int) -> tuple[list[int], list[int]]:
    """Size and place of each sample."""
    at = list(accumulate(map(len, pool), initial=begin))
    return [len(pool[index % len(pool)]) for index in range(count)], [at[index % len(pool)] for index in range(count)]


def _trak(number: int, track: Track, sizes: list[int], places: list[int]) -> bytes:
    is_picture = track.handler == b"vide"
    head = full(
        *(b"tkhd", u32(0, 0, number, 0, track.duration_ms), bytes(8), u16(0, 0, 0 if is_picture else 0x0100, 0), _matrix(track.matrix)),
        u32(track.size[0] << 16, track.size[1] << 16),
        flags=3,
    )
    edits = box(b"edts", full(b"elst", u32(len(track.edits), *(part for edit in track.edits for part in (*edit[:2], edit[2] << 16)))))
    media_ticks = sum(count * delta for count, delta in track.times)
    kind = full(b"vmhd", bytes(8), flags=1) if is_picture else full(b"smhd", bytes(4))
    return box(
        b"trak",
        head,
        edits if track.edits else b"",
        box(
            b"mdia",
            full(b"mdhd", u32(0, 0, track.timescale, media_ticks), u16(0x55C4, 0)),
            full(b"hdlr", bytes(4), track.handler, bytes(12), b"h\x00"),
            box(
                b"minf",
                kind,
                box(b"dinf", full(b"dref", u32(1), track.reference)),
                box(b"stbl", full(b"stsd", u32(1), track.entry), _tables(track, sizes, places) if track.tables is None else track.tables),
            ),
        ),
        track.more,
    )


def _tables(track: Track, sizes: list[int], places: list[int]) -> bytes:
    shown = full(b"ctts", u32(len(track.offsets), *(part for pair in track.offsets for part in pair)), version=1)
    return b"".join(
        [
            full(b"stts", u32(len(track.times), *(part for pair in track.times for part in pair))),
            shown if track.offsets else b"",
            full(b"stsc", u32(1, 1, 1, 1)),
            full(b"stsz", u32(0, len(sizes), *sizes)),
            full(b"stco", u32(len(places), *places)),
        ]
    )


def _matrix(numbers: Sequence[float]) -> bytes:
    return u32(*(round(number * _MATRIX_ONES[index % 3]) for index, number in enumerate(numbers)))
