"""Which container a file really is, and whether all of it is there: read by ourselves, before any tool sees the bytes.

ffprobe calls a fast-start MP4 that lost its end perfect; the sizes that the containers write down tell otherwise.
"""

from pathlib import Path
from typing import BinaryIO

from svc_video.processing.media.errors import MediaRejected, RejectReason

_HEAD_BYTES = 4096
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"})
_PICTURE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"crx "})
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", 0x18538067
_MAX_BOXES = 100_000


def identify(source: Path) -> tuple[str, int]:
    """The demuxer for this file (mov, matroska or avi) and its size in bytes, after checking that its outermost structure is whole.

    Raises MediaRejected: UNSUPPORTED_CONTAINER or CORRUPT_MEDIA.
    """
    size = source.stat().st_size
    with source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[4:8] in _FIRST_BOXES:
            if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
                raise MediaRejected(RejectReason.UNSUPPORTED_CONTAINER, "a still picture in an MP4 box")
            _walk_boxes(file, size)
            return "mov", size
        if head.startswith(_EBML):
            _walk_ebml(head, size)
            return "matroska", size
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            _check_riff(head, size)
            return "avi", size
    if size == 0:
        raise MediaRejected(RejectReason.CORRUPT_MEDIA, "the file is empty")
    raise MediaRejected(RejectReason.UNSUPPORTED_CONTAINER, "neither MP4/MOV, Matroska/WebM nor AVI")


def _walk_boxes(file: BinaryIO, size: int) -> None:
    offset, seen = 0, set[bytes]()
    for _ in range(_MAX_BOXES):
        if offset == size:
            break
        file.seek(offset)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if {b"moov", b"mdat"} <= seen and header[:8].strip(b"\0") == b"":
            break  # Some writers pad the end with zeros.
        if len(header) < 8:
            raise _corrupt(f"{len(header)} stray bytes at the end")
        if length == 1:
            length = int.from_bytes(header[8:16])
        elif length == 0:
            length = size - offset
        if length < 8:
            raise _corrupt(f"a box of {length} bytes at offset {offset}")
        if offset + length > size:
            raise _corrupt(f"{_printable(kind)} at offset {offset} needs {offset + length - size} bytes more than there are")
        seen.add(kind)
        offset += length
    else:
        raise _corrupt("too many boxes")
    if b"moov" not in seen:
        raise _corrupt("no moov box: the recording was not finished")
    if b"mdat" not in seen:
        raise _corrupt("no mdat box: there are no pictures")


def _walk_ebml(head: bytes, size: int) -> None:
    _, header_at = _vint(head, 0, keep_marker=True)
    header_size, body_at = _vint(head, header_at, keep_marker=False)
    if header_size is None or body_at + header_size > len(head):
        raise _corrupt("EBML header out of bounds")
    if b"webm" not in head[body_at : body_at + header_size] and b"matroska" not in head[body_at : body_at + header_size]:
        raise MediaRejected(RejectReason.UNSUPPORTED_CONTAINER, "EBML, but neither Matroska nor WebM")
    element, size_at = _vint(head, body_at + header_size, keep_marker=True)
    if element != _SEGMENT:
        raise _corrupt("no segment after the EBML header")
    segment_size, segment_at = _vint(head, size_at, keep_marker=False)
    # Browsers record with an unknown size; then only the timestamps can tell.
    if segment_size is not None and segment_at + segment_size > size:
        raise _corrupt(f"the segment needs {segment_at + segment_size - size} bytes more than there are")


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """An EBML number and the offset behind it; None is the reserved value "unknown"."""
    if at >= len(data) or data[at] == 0:
        raise _corrupt("EBML number out of bounds")
    length = 9 - data[at].bit_length()
    if at + length > len(data):
        raise _corrupt("EBML number out of bounds")
    value = int.from_bytes(data[at : at + length])
    if keep_marker:
        return value, at + length
    value &= (1 << (7 * length)) - 1
    return (None if value == (1 << (7 * length)) - 1 else value), at + length


def _check_riff(head: bytes, size: int) -> None:
    length = int.from_bytes(head[4:8], "little")
    if length and length + 8 > size:
        raise _corrupt(f"RIFF needs {length + 8 - size} bytes more than there are")


def _corrupt(detail: str) -> MediaRejected:
    return MediaRejected(RejectReason.CORRUPT_MEDIA, detail)


def _printable(kind: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in kind)
