"""Films of impossible or awkward pictures, streams and sounds."""

import io

from PIL import Image

from tests.hostile.media import matroska, riff
from tests.hostile.media.case import Case
from tests.hostile.media.mp4 import Track, avc_entry, box, film, full, pcm_entry, picture_entry, sound, u32
from tests.hostile.media.pictures import avc_config, claimed_sps, sized, stream

_ANGLE = 0.7071


def shapes() -> dict[str, Case]:
    """Sizes, shapes, turns, streams, codecs, sounds."""
    return {
        "pictures_of_16k": Case(write=lambda: _claimed(16_384, 16_384), reason="TOO_MANY_PIXELS"),
        "pictures_of_16k_in_matroska": Case(
            write=lambda: matroska.film(tracks=[matroska.track(private=_config(16_384, 16_384))], samples=_samples(16_384, 16_384)),
            reason="TOO_MANY_PIXELS",
        ),
        "pictures_of_16k_in_avi": Case(write=lambda: riff.film(size=(16_384, 16_384), samples=[b"\0" * 64]), reason="TOO_MANY_PIXELS"),
        "pictures_that_grow_to_16k": Case(write=_growing, reason="TOO_MANY_PIXELS"),
        "pictures_of_one_pixel_too_many": Case(write=lambda: _claimed(4096, 2320), reason="TOO_MANY_PIXELS"),
        "pictures_of_16k_by_16": Case(write=lambda: _claimed(16_384, 16), reason="UNSUPPORTED_ASPECT_RATIO"),
        "pictures_without_size": Case(
            write=lambda: film(Track(entry=picture_entry(b"mp4v", width=0, height=0), material=[bytes(99)])), reason="CORRUPT_MEDIA"
        ),
        "pixels_wider_than_a_wall": Case(write=lambda: _pixels(10_000, 1), reason="UNSUPPORTED_ASPECT_RATIO"),
        "pixels_thinner_than_a_hair": Case(write=lambda: _pixels(1, 0x7FFFFFFF), reason="TOO_FEW_PIXELS"),
        "pixels_of_nothing": Case(write=lambda: _pixels(0, 0), facts={"width": 64, "height": 64}),
        "turned_by_ninety": Case(write=lambda: _turned((0, 1, 0, -1, 0, 0, 0, 0, 1)), facts={"rotation": 90}),
        "turned_by_half_a_right_angle": Case(
            write=lambda: _turned((_ANGLE, _ANGLE, 0, -_ANGLE, _ANGLE, 0, 0, 0, 1)), facts={"rotation": 0, "width": 64}
        ),
        "turned_by_a_matrix_of_zeros": Case(write=lambda: _turned((0,) * 9), facts={"rotation": 0, "width": 64}),
        "turned_by_the_largest_numbers": Case(write=lambda: _turned((32_767,) * 9), facts={"width": 64}),
        "streams_one_too_many": Case(write=lambda: _streams(17), reason="TOO_MANY_STREAMS"),
        "streams_just_enough": Case(write=lambda: _streams(16), facts={"duration_ms": 15_500}),
        "streams_a_hundred": Case(write=lambda: _streams(100), reason="TOO_MANY_STREAMS"),
        "streams_126_in_matroska": Case(
            write=lambda: matroska.film(tracks=[matroska.track(number=number) for number in range(1, 127)]), reason="TOO_MANY_STREAMS"
        ),
        "sound_only": Case(write=lambda: film(sound()), reason="NO_VIDEO"),
        "captions_only": Case(
            write=lambda: film(Track(handler=b"text", entry=box(b"tx3g", bytes(38)), material=[b"\0\0"])), reason="NO_VIDEO"
        ),
        "no_sound": Case(write=lambda: film(Track()), facts={"audio": None}),
        "unknown_picture_codec": Case(
            write=lambda: film(Track(entry=picture_entry(b"xxxx")), sound()), reason="UNSUPPORTED_CODEC", says="video"
        ),
        "picture_codec_that_breaks_out_of_text": Case(
            write=lambda: film(Track(entry=picture_entry(b'"},\n')), sound()), reason="UNSUPPORTED_CODEC", says="video"
        ),
        "unknown_sound_codec": Case(
            write=lambda: film(Track(), sound(entry=pcm_entry(kind=b"yyyy"))), reason="UNSUPPORTED_CODEC", says="audio"
        ),
        "sound_of_no_rate": Case(write=lambda: film(Track(), sound(entry=pcm_entry(rate=0))), facts={"duration_ms": 15_500}),
        "sound_of_no_channels": Case(write=lambda: film(Track(), sound(entry=pcm_entry(channels=0))), reason="CORRUPT_MEDIA"),
        "sound_of_65535_channels": Case(write=lambda: film(Track(), sound(entry=pcm_entry(channels=0xFFFF))), reason="CORRUPT_MEDIA"),
        "two_hundred_sample_descriptions": Case(write=_described_again, facts={"duration_ms": 15_500}),
        "cover_of_16k": Case(write=_covered, reason="TOO_MANY_PIXELS"),
    }


def _config(width: int, height: int) -> bytes:
    return avc_config(claimed_sps(width, height), stream().pps)


def _samples(width: int, height: int) -> tuple[bytes, ...]:
    return tuple(sized(claimed_sps(width, height)) + sample for sample in stream().samples)


def _claimed(width: int, height: int) -> bytes:
    entry = avc_entry(_config(width, height), width=width, height=height)
    return film(Track(entry=entry, material=_samples(width, height), size=(width, height)), sound())


def _growing() -> bytes:
    giant = sized(claimed_sps(16_384, 16_384)) + stream().samples[0]
    return film(Track(entry=avc_entry(stream().config, kind=b"avc3"), material=[*stream().samples * 100, *[giant] * 172]))


def _pixels(wide: int, high: int) -> bytes:
    return film(Track(entry=avc_entry(stream().config, more=box(b"pasp", u32(wide, high)))), sound())


def _turned(matrix: tuple[float, ...]) -> bytes:
    return film(Track(matrix=matrix), sound())


def _streams(count: int) -> bytes:
    return film(Track(), *(sound() for _ in range(count - 1)), shared=True)


def _covered() -> bytes:
    """A film with a cover, a JPEG that says it is 16k by 16k."""
    written = io.BytesIO()
    Image.new("L", (16, 16)).save(written, format="JPEG")
    picture = bytearray(written.getvalue())
    at = picture.index(b"\xff\xc0") + 5
    picture[at : at + 4] = (16_384).to_bytes(2) * 2
    cover = box(b"covr", box(b"data", u32(13, 0), bytes(picture)))
    handler = full(b"hdlr", bytes(4), b"mdirappl", bytes(9))
    return film(in_moov=box(b"udta", full(b"meta", handler, box(b"ilst", cover))))


def _described_again() -> bytes:
    """A list of two hundred sample entries, of which the film uses the first."""
    whole = film(Track())
    entry = avc_entry(stream().config)
    honest = full(b"stsd", u32(1), entry)
    listed = full(b"stsd", u32(200), *[entry] * 200)
    added = len(listed) - len(honest)
    # The film is written with its index at the end, so that nothing else moves.
    late = film(Track(), fast_start=False)
    assert len(late) == len(whole)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = late.index(kind) - 4
        late = late[:at] + u32(int.from_bytes(late[at : at + 4]) + added) + late[at + 4 :]
    return late.replace(honest, listed)
