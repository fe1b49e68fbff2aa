"""Films that were cut, wiped or badly copied at every interesting place."""

from tests.hostile.media import matroska, riff
from tests.hostile.media.case import Case
from tests.hostile.media.mp4 import FTYP, Track, avc_entry, box, film, full, sound, u32
from tests.hostile.media.pictures import stream

_CORRUPT = "CORRUPT_MEDIA"


def broken() -> dict[str, Case]:
    """Truncation, wiping, missing tables, and lengths that lie."""
    whole, late = film(), film(fast_start=False)
    mkv, recorded, avi = matroska.film(), matroska.film(unknown=True), riff.film()
    moov, mdat = whole.index(b"moov") - 4, whole.index(b"mdat") - 4
    cuts = {
        "cut_inside_the_type": whole[:16],
        "cut_behind_the_type": whole[: len(FTYP)],
        "cut_inside_the_length_of_the_index": whole[: moov + 3],
        "cut_inside_the_index": whole[: moov + 400],
        "cut_behind_the_index": whole[:mdat],
        "cut_inside_the_length_of_the_pictures": whole[: mdat + 5],
        "cut_inside_the_pictures": whole[: len(whole) * 3 // 5],
        "cut_by_one_byte": whole[:-1],
        "cut_before_the_index": late[: late.index(b"moov") - 4],
        "cut_inside_the_late_index": late[:-700],
        "cut_and_told_to_the_end": _open_ended(whole, mdat, len(whole) * 3 // 5),
        "cut_and_told_shorter": _told_shorter(whole, mdat, len(whole) * 3 // 5),
        "cut_matroska_in_its_head": mkv[:20],
        "cut_matroska_in_its_tracks": mkv[:300],
        "cut_matroska_in_a_cluster": mkv[: len(mkv) // 2],
        "cut_avi_in_its_head": avi[:120],
        "cut_avi_in_its_pictures": avi[: len(avi) // 2],
        "cut_avi_and_told_shorter": avi[:4] + (len(avi) // 2 - 8).to_bytes(4, "little") + avi[8 : len(avi) // 2],
    }
    cases = {name: Case(write=lambda content=content: content, reason=_CORRUPT) for name, content in cuts.items()}  # type: ignore[misc]
    return cases | {
        "nothing": Case(write=lambda: b"", reason=_CORRUPT, says="empty"),
        "one_byte": Case(write=lambda: b"\0", reason="UNSUPPORTED_CONTAINER"),
        "zero_bytes_only": Case(write=lambda: bytes(1 << 20), reason="UNSUPPORTED_CONTAINER"),
        "cut_recording_too_short": Case(write=lambda: recorded[: len(recorded) // 2], reason="DURATION_TOO_SHORT"),
        "wiped_index": Case(write=lambda: whole[: moov + 8] + bytes(mdat - moov - 8) + whole[mdat:], reason="NO_VIDEO"),
        "wiped_pictures": Case(write=lambda: whole[: mdat + 8] + bytes(len(whole) - mdat - 8), reason=_CORRUPT),
        "wiped_matroska_pictures": Case(write=lambda: matroska.film(samples=[bytes(900)]), reason=_CORRUPT),
        "wiped_avi_pictures": Case(write=lambda: riff.film(samples=[bytes(900)]), reason=_CORRUPT),
        "no_tracks": Case(
            write=lambda: FTYP + box(b"moov", full(b"mvhd", u32(0, 0, 1000, 15_500), bytes(80))) + box(b"mdat", b"x"), reason="NO_VIDEO"
        ),
        "no_samples": Case(write=lambda: film(Track(times=())), reason=_CORRUPT),
        "no_sample_tables": Case(write=lambda: film(Track(tables=b"")), reason=_CORRUPT),
        "one_picture": Case(write=lambda: film(Track(times=((1, 24 * 20),)), sound()), reason=_CORRUPT),
        "samples_behind_the_end": Case(write=_behind_the_end, reason=_CORRUPT),
        "no_decoder_config": Case(write=lambda: film(Track(entry=avc_entry(b""))), reason=_CORRUPT),
        "encrypted": Case(write=_encrypted, reason=_CORRUPT),
        "box_of_a_negative_length": Case(write=lambda: FTYP + box(b"moov", b"", length=0xFFFFFFFF), reason=_CORRUPT),
        "box_of_64_bits_of_length": Case(write=lambda: FTYP + u32(1) + b"moov" + b"\xff" * 8, reason=_CORRUPT),
        "box_of_length_seven": Case(write=lambda: FTYP + box(b"free", b"", length=7) + film(), reason=_CORRUPT),
        "inner_box_longer_than_its_parent": Case(write=_overhanging, facts={"duration_ms": 15_500}),
        "matroska_without_tracks": Case(write=lambda: matroska.film(tracks=[]), reason="NO_VIDEO"),
        "matroska_without_blocks": Case(write=lambda: matroska.film(times_ms=[]), reason=_CORRUPT),
        "matroska_number_of_no_length": Case(write=lambda: matroska.HEAD + b"\x18\x53\x80\x67\x00" + bytes(99), reason=_CORRUPT),
        "avi_without_pictures": Case(write=lambda: riff.film(count=0, declared=372), reason=_CORRUPT),
        "avi_format_longer_than_the_file": Case(write=lambda: riff.film(format_length=0x7FFFFFFF), facts={"duration_ms": 15_500}),
    }


def _open_ended(whole: bytes, mdat: int, length: int) -> bytes:
    """Its last box says "to the end of the file", wherever that is."""
    return whole[:mdat] + u32(0) + whole[mdat + 4 : length]


def _told_shorter(whole: bytes, mdat: int, length: int) -> bytes:
    """Every length fits, only the pictures are not there."""
    return whole[:mdat] + u32(length - mdat) + whole[mdat + 4 : length]


def _behind_the_end() -> bytes:
    tables = b"".join(
        [
            full(b"stts", u32(1, 372, 1)),
            full(b"stsc", u32(1, 1, 1, 1)),
            full(b"stsz", u32(900, 372)),
            full(b"stco", u32(372, *(0x7F000000 + at for at in range(372)))),
        ]
    )
    return film(Track(tables=tables), sound())


def _encrypted() -> bytes:
    """Common encryption: the codec is known, the pictures are noise."""
    scheme = box(
        b"sinf", box(b"frma", b"avc1"), full(b"schm", b"cenc", u32(0x10000)), box(b"schi", full(b"tenc", bytes(2), b"\x01\x08", b"k" * 16))
    )
    noise = [bytes((at * 89 + index * 7) % 251 for at in range(900)) for index in range(2)]
    return film(Track(entry=avc_entry(stream().config, kind=b"encv", more=scheme), material=noise), sound())


def _overhanging() -> bytes:
    whole = film()
    at = whole.index(b"trak") - 4
    return whole[:at] + u32(0x00FFFFFF) + whole[at + 4 :]
