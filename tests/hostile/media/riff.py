"""Writes AVI files chunk by chunk, so that every chunk can lie."""

from collections.abc import Sequence

from tests.hostile.media.pictures import SIDE, annex_b, stream


def chunk(kind: bytes, *parts: bytes, length: int | None = None) -> bytes:
    """A chunk; `length` is what it says of itself where that is not the truth."""
    content = b"".join(parts)
    return kind + (len(content) if length is None else length).to_bytes(4, "little") + content + bytes(len(content) % 2)


def u32(*values: int) -> bytes:
    """Numbers of four bytes."""
    return b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in values)


def film(
    *,
    count: int = 372,
    scale: int = 1,
    rate: int = 24,
    size: tuple[int, int] = (SIDE, SIDE),
    declared: int | None = None,
    index: bytes | None = None,
    in_stream: bytes = b"",
    format_length: int | None = None,
    samples: Sequence[bytes] | None = None,
) -> bytes:
    """A whole file, by default 15.5 s of pictures at 24 a second. index: entries in place of the honest ones."""
    frames = count if declared is None else declared
    material = [annex_b(stream().sps, stream().pps, picture) for picture in stream().pictures] if samples is None else samples
    header = chunk(b"avih", u32(1_000_000 * scale // max(rate, 1), 0, 0, 0x10, frames, 0, 1, 0, *size, 0, 0, 0, 0))
    described = chunk(b"strh", b"vidsH264", u32(0, 0, 0, scale, rate, 0, frames, 0, 0xFFFFFFFF, 0, 0, 0))
    # The size of one picture stands in the format of the stream, as Windows wrote it.
    form = u32(40, *size) + b"\x01\x00\x18\x00H264" + u32(size[0] * size[1] * 3, 0, 0, 0, 0)
    formatted = chunk(b"strf", form, length=format_length)
    lists = chunk(b"LIST", b"hdrl", header, chunk(b"LIST", b"strl", described, formatted, in_stream))
    pictures, entries, at = [], [], 4
    for number in range(count):
        piece = chunk(b"00dc", material[number % len(material)])
        entries.append(b"00dc" + u32(0x10, at, len(material[number % len(material)])))
        pictures.append(piece)
        at += len(piece)
    return chunk(b"RIFF", b"AVI ", lists, chunk(b"LIST", b"movi", *pictures), chunk(b"idx1", b"".join(entries) if index is None else index))
