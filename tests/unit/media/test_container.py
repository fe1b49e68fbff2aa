"""Which container it is and whether all of it is there, from the bytes alone."""

from pathlib import Path

import pytest

from svc_video.processing.media import MediaRejected
from svc_video.processing.media.container import identify

KINDS = {".mp4": "mov", ".mov": "mov", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi"}
FTYP = b"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00"


def box(kind: bytes, content: bytes, *, length: int | None = None) -> bytes:
    return (len(content) + 8 if length is None else length).to_bytes(4) + kind + content


def identified(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "any.name"
    path.write_bytes(content)
    return identify(path)[0]


def refused(tmp_path: Path, content: bytes) -> tuple[str, str]:
    with pytest.raises(MediaRejected) as error:
        identified(tmp_path, content)
    return error.value.reason, error.value.detail


@pytest.mark.parametrize("kind", ["mp4_h264_portrait", "mov_h265", "rotated", "mkv_h264", "webm_vp9", "avi_mpeg4"])
@pytest.mark.parametrize("lost_bytes", [1, 500])
def test_a_file_that_lost_its_end_is_corrupt(variants: dict[str, Path], tmp_path: Path, kind: str, lost_bytes: int) -> None:
    content = variants[kind].read_bytes()
    assert identified(tmp_path, content) == KINDS[variants[kind].suffix]
    reason, detail = refused(tmp_path, content[:-lost_bytes])
    assert reason == "CORRUPT_MEDIA"
    assert f"needs {lost_bytes} bytes more" in detail


def test_boxes_of_every_length_form_are_walked(tmp_path: Path) -> None:
    large = (1).to_bytes(4) + b"mdat" + (24).to_bytes(8) + b"12345678"
    assert identified(tmp_path, FTYP + box(b"moov", b"x") + large) == "mov"
    assert identified(tmp_path, FTYP + box(b"moov", b"x") + box(b"mdat", b"to the end", length=0)) == "mov"
    assert identified(tmp_path, FTYP + box(b"moov", b"x") + box(b"mdat", b"x") + bytes(20)) == "mov"
    assert identified(tmp_path, box(b"wide", b"") + box(b"mdat", b"x") + box(b"moov", b"x")) == "mov"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (FTYP + box(b"mdat", b"x"), "not finished"),
        (FTYP + box(b"moov", b"x"), "no pictures"),
        (FTYP + box(b"moov", b"x", length=5) + box(b"mdat", b"x"), "a box of 5 bytes"),
        (FTYP + box(b"moov", b"x") + b"stray", "stray bytes"),
        (FTYP + box(b"free", b"") * 100_001, "too many boxes"),
        (b"\x1a\x45\xdf\xa3\x84webm", "out of bounds"),
        (b"\x1a\x45\xdf\xa3\x84webm\x00\x00", "out of bounds"),
        (b"\x1a\x45\xdf\xa3\x84webm\x1a\x45\xdf\xa3\x81x", "no segment"),
        (b"", "empty"),
    ],
)
def test_broken_structure_is_corrupt(tmp_path: Path, content: bytes, word: str) -> None:
    reason, detail = refused(tmp_path, content)
    assert reason == "CORRUPT_MEDIA"
    assert word in detail


@pytest.mark.parametrize(
    "content",
    [
        box(b"ftyp", b"heic\x00\x00\x00\x00") + box(b"moov", b"x") + box(b"mdat", b"x"),
        b"\x1a\x45\xdf\xa3\x84doc1\x18\x53\x80\x67\x81x",
        b"RIFF\x04\x00\x00\x00WAVE",
        b"#EXTM3U\n",
        b"ffconcat version 1.0\n",
        b"\x89PNG\r\n\x1a\n",
        b"G" * 600,
    ],
)
def test_other_kinds_are_not_supported(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path, content)[0] == "UNSUPPORTED_CONTAINER"


def test_an_unknown_length_is_allowed_where_recorders_write_it(tmp_path: Path) -> None:
    head = b"\x1a\x45\xdf\xa3\x84webm\x18\x53\x80\x67"
    assert identified(tmp_path, head + b"\x01\xff\xff\xff\xff\xff\xff\xff" + b"clusters") == "matroska"
    assert identified(tmp_path, head + b"\x88" + b"clusters") == "matroska"
