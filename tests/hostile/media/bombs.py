"""Small files that ask for much memory, time or output."""

import subprocess
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from devstack.clips.maker import media_tools
from tests.hostile.media import matroska, riff
from tests.hostile.media.case import Case
from tests.hostile.media.mp4 import FTYP, Track, avc_entry, box, film, full, sound, u32
from tests.hostile.media.pictures import stream

_MANY = 50_000_000
_LARGE = 24 * 1024 * 1024


def bombs() -> dict[str, Case]:
    """Each is at most 25 MB long and would like some hundreds of MB."""
    return {
        "title_of_24_mb": Case(write=lambda: film(in_moov=_titled(b"x" * _LARGE)), facts={"duration_ms": 15_500}),
        "title_of_strange_letters": Case(
            write=lambda: film(in_moov=_titled(bytes(range(256)) * 40 + b'"}],\n"streams":[')), facts={"duration_ms": 15_500}
        ),
        "titles_a_hundred_thousand": Case(write=lambda: film(in_moov=_titled(*[b"x"] * 100_000)), facts={"duration_ms": 15_500}),
        "empty_boxes_a_million": Case(write=lambda: film(in_moov=box(b"free") * 1_000_000), facts={"duration_ms": 15_500}, slow=True),
        "empty_boxes_outside": Case(write=lambda: film(before=box(b"free") * 200_000), reason="CORRUPT_MEDIA", says="too many boxes"),
        "boxes_in_boxes": Case(write=lambda: film(in_moov=_nested(20_000)), reason="CORRUPT_MEDIA"),
        "samples_without_end": Case(write=lambda: _tabled(full(b"stsz", u32(1, 0xFFFFFFFF))), reason="CORRUPT_MEDIA"),
        "samples_fifty_million": Case(write=lambda: _tabled(full(b"stsz", u32(1, _MANY))), reason="CORRUPT_MEDIA"),
        "samples_sixteen_million": Case(write=lambda: _tabled(full(b"stsz", u32(1, 16_000_000))), reason="CORRUPT_MEDIA"),
        "samples_two_million": Case(write=lambda: _tabled(full(b"stsz", u32(1, 2_000_000))), reason="CORRUPT_MEDIA", slow=True),
        "chunks_without_end": Case(write=lambda: _tabled(full(b"stsz", u32(1, 372)), chunks=0x3FFFFFFF), reason="CORRUPT_MEDIA"),
        "index_squeezed": Case(write=lambda: _squeezed(250_000_000), reason="CORRUPT_MEDIA"),
        "fragment_without_end": Case(write=lambda: _fragmented(0x7FFFFFFF), reason="CORRUPT_MEDIA"),
        "fragment_of_nothing_often": Case(write=lambda: _fragmented(3_000_000), reason="CORRUPT_MEDIA"),
        "fragments_in_a_ring": Case(write=_ring, reason="CORRUPT_MEDIA"),
        "pictures_squeezed_in_matroska": Case(write=_squeezed_blocks, reason="CORRUPT_MEDIA"),
        "chapters_fifty_thousand": Case(write=lambda: matroska.film(more=_chapters(50_000)), facts={"duration_ms": 15_499}),
        "cues_two_hundred_thousand": Case(write=lambda: matroska.film(more=_cues(200_000)), facts={"duration_ms": 15_499}),
        "attachment_of_24_mb": Case(write=lambda: matroska.film(more=_attached(_LARGE)), facts={"duration_ms": 15_499}),
        "tag_of_24_mb": Case(write=lambda: matroska.film(more=_tagged(_LARGE)), facts={"duration_ms": 15_499}),
        "void_without_end": Case(write=lambda: matroska.film(more=matroska.element(0xEC, size=(1 << 55))), facts={"duration_ms": 15_499}),
        "elements_in_elements": Case(write=lambda: matroska.film(more=_tags_in_tags(3_000)), facts={"duration_ms": 15_499}),
        "avi_index_in_a_ring": Case(write=lambda: riff.film(in_stream=_super_index(), index=b""), facts={"duration_ms": 15_500}),
        "avi_index_of_a_million": Case(write=lambda: riff.film(index=(b"00dc" + riff.u32(0x10, 4, 9)) * 1_000_000), reason="CORRUPT_MEDIA"),
        "stray_packets_a_million": Case(write=_stray_packets, reason="CORRUPT_MEDIA", says="printed more", slow=True),
        "pictures_that_need_all_the_memory": Case(write=_greedy, facts={"bit_depth": 10, "duration_ms": 17_000}, slow=True),
        "large_pictures_on_every_track": Case(write=_large_tracks, facts={"duration_ms": 15_500}, slow=True),
    }


def _titled(*titles: bytes) -> bytes:
    """Names of the film, as phones write them."""
    entries = [box(b"\xa9nam", box(b"data", u32(1, 0), title)) for title in titles]
    return box(b"udta", full(b"meta", full(b"hdlr", bytes(4), b"mdirappl", bytes(9)), box(b"ilst", *entries)))


def _nested(depth: int) -> bytes:
    found = b""
    for _ in range(depth):
        found = box(b"udta", found)
    return found


def _tabled(sizes: bytes, *, chunks: int = 1) -> bytes:
    per_chunk = int.from_bytes(sizes[16:20])
    tables = [full(b"stts", u32(1, 0xFFFFFFFF, 1)), full(b"stsc", u32(1, 1, per_chunk, 1)), sizes, full(b"stco", u32(chunks, 48))]
    return film(Track(tables=b"".join(tables)), sound())


def _squeezed(length: int) -> bytes:
    """An index that is packed with zlib and grows a thousandfold."""
    squeezer = zlib.compressobj(9)
    piece = bytes(1_000_000)
    packed = b"".join(squeezer.compress(piece) for _ in range(length // len(piece))) + squeezer.flush()
    return FTYP + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", u32(length), packed))) + box(b"mdat", b"x")


def _fragmented(samples: int) -> bytes:
    """A film of one fragment, whose samples need no bytes to be listed."""
    whole = film(
        Track(times=()),
        in_moov=box(b"mvex", full(b"trex", u32(1, 1, 1, 0, 0))),
        declared_ms=15_500,
    )
    run = full(b"trun", u32(samples), flags=0)
    return whole + box(b"moof", full(b"mfhd", u32(1)), box(b"traf", full(b"tfhd", u32(1), flags=0x020000), run)) + box(b"mdat", bytes(99))


def _ring() -> bytes:
    """A segment index that leads back to itself."""
    index = full(b"sidx", u32(1, 1000, 0, 0), u32(3), *[u32(0x80000000 | 44, 1000, 0)] * 3)
    return FTYP + index + film(Track(times=()), in_moov=box(b"mvex", full(b"trex", u32(1, 1, 1, 0, 0))))[24:]


def _squeezed_blocks() -> bytes:
    """Each picture of some KB becomes 100 MB before a decoder sees it."""
    squeezer = zlib.compressobj(9)
    piece = bytes(1_000_000)
    packed = b"".join(squeezer.compress(piece) for _ in range(100)) + squeezer.flush()
    compression = matroska.element(0x5034, matroska.uint(0x4254, 0))
    encoding = matroska.element(0x6240, matroska.uint(0x5031, 0), matroska.uint(0x5032, 1), matroska.uint(0x5033, 0), compression)
    coded = matroska.track(more=matroska.element(0x6D80, encoding))
    return matroska.film(tracks=[coded], samples=[packed], times_ms=[at * 500 for at in range(32)])


def _chapters(count: int) -> bytes:
    atoms = [matroska.element(0xB6, matroska.uint(0x73C4, at + 1), matroska.uint(0x91, at)) for at in range(count)]
    return matroska.element(0x1043A770, matroska.element(0x45B9, *atoms))


def _cues(count: int) -> bytes:
    place = matroska.element(0xB7, matroska.uint(0xF7, 1), matroska.uint(0xF1, 9))
    return matroska.element(0x1C53BB6B, *[matroska.element(0xBB, matroska.uint(0xB3, at), place) for at in range(count)])


def _attached(length: int) -> bytes:
    names = [matroska.element(0x466E, b"a.ttf"), matroska.element(0x4660, b"font/ttf"), matroska.uint(0x46AE, 7)]
    return matroska.element(0x1941A469, matroska.element(0x61A7, *names, matroska.element(0x465C, bytes(length))))


def _tagged(length: int) -> bytes:
    simple = matroska.element(0x67C8, matroska.element(0x45A3, b"TITLE"), matroska.element(0x4487, b"x" * length))
    return matroska.element(0x1254C367, matroska.element(0x7373, matroska.element(0x63C0), simple))


def _tags_in_tags(depth: int) -> bytes:
    found = b""
    for _ in range(depth):
        found = matroska.element(0x67C8, matroska.element(0x45A3, b"T"), found)
    return matroska.element(0x1254C367, matroska.element(0x7373, found))


def _super_index() -> bytes:
    """An index of indexes, each of which is the file's own beginning."""
    entries = riff.u32(*[0, 0, 4096, 1] * 1000)
    return riff.chunk(b"indx", b"\x04\x00\x00\x00", riff.u32(1000), b"00dc", riff.u32(0, 0, 0), entries)


def _stray_packets() -> bytes:
    """A second track, of which nobody wants anything, has a million samples of one byte."""
    tables = b"".join(
        [
            full(b"stts", u32(1, 1_000_000, 1)),
            full(b"stsc", u32(1, 1, 1_000_000, 1)),
            full(b"stsz", u32(1, 1_000_000)),
            full(b"stco", u32(1, 48)),
        ]
    )
    stray = Track(
        handler=b"meta",
        entry=box(b"mett", bytes(6), b"\0\1", b"\0a/b\0"),
        material=[b"x"],
        times=((1, 1),),
        tables=tables,
        timescale=60_000,
    )
    return film(Track(), stray, declared_ms=15_500) + box(b"free", stream().pictures[0] * 900)


def _greedy() -> bytes:
    """The largest pictures that are allowed, in ten bits, with all sixteen references that H.264 knows."""
    with TemporaryDirectory(prefix="clipmesh-greedy-") as folder:
        path = Path(folder) / "greedy.mp4"
        drawn = ("-f", "lavfi", "-i", "testsrc2=s=4096x2304:r=1:d=17", "-c:v", "libx264", "-preset", "ultrafast")
        coded = ("-pix_fmt", "yuv444p10le", "-refs", "16", "-bf", "3")
        subprocess.run([media_tools().ffmpeg, "-v", "error", "-nostdin", *drawn, *coded, path], check=True, timeout=60)
        return path.read_bytes()


def _large_tracks() -> bytes:
    large = stream(4096, 2304)
    track = Track(entry=avc_entry(large.config, width=4096, height=2304), material=large.samples, size=(4096, 2304))
    return film(*[track] * 16, shared=True)
