"""Files that are not what they are called: playlists, pictures, programs, references to other files, and two kinds at once."""

import base64
import io
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path

from PIL import Image

from tests.hostile.media.case import Case
from tests.hostile.media.mp4 import FTYP, SELF, Track, box, film, full, picture_entry, sound, u32
from tests.hostile.media.pictures import annex_b, stream

_BOUND = "UNSUPPORTED_CONTAINER"


def playlist(target: str) -> bytes:
    """An HLS playlist of one segment."""
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:16\n#EXTINF:15.5,\n{target}\n#EXT-X-ENDLIST\n".encode()


def disguises(secret: Path) -> dict[str, Case]:
    """`secret` is a good film, made by `secret_film`, that none of them may open."""
    inside = base64.b64encode(film()).decode()
    texts = {
        "playlist_of_a_file": playlist(f"file://{secret}"),
        "playlist_of_a_concat": playlist(f"concat:{secret}|{secret}"),
        "playlist_of_a_data_uri": playlist(f"data:video/mp4;base64,{inside}"),
        "playlist_of_a_subfile": playlist(f"subfile,,start,0,end,9999,,:{secret}"),
        "playlist_of_an_address": playlist("http://127.0.0.1:9/film.mp4"),
        "playlist_with_a_key_file": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"\n#EXTINF:9,\n{secret}\n'.encode(),
        "concat_script": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "concat_script_of_a_data_uri": f"ffconcat version 1.0\nfile 'data:video/mp4;base64,{inside}'\n".encode(),
        "dash_manifest": f"<?xml version='1.0'?><MPD><Period><BaseURL>file://{secret}</BaseURL></Period></MPD>".encode(),
        "session_description": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        "picture_list": f"#!/bin/sh\ncat {secret}\n".encode(),
        "web_page": b"<!doctype html><script>alert(1)</script>" + film(),
        "vector_picture": b"<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>",
        "program": b"\x7fELF\x02\x01\x01" + bytes(600),
        "archive": _archive(),
        "document": b"%PDF-1.7\n" + film(),
        "bare_h264": annex_b(stream().sps, stream().pps, *stream().pictures * 190),
        "transport_stream": (b"G\x40\x00\x10" + bytes(184)) * 200,
        "flash_film": b"FLV\x01\x05\x00\x00\x00\x09" + bytes(400),
        "ogg": b"OggS\x00\x02" + bytes(400),
        "wave": b"RIFF" + (800).to_bytes(4, "little") + b"WAVEfmt " + bytes(792),
        "picture_png": _picture("PNG"),
        "picture_jpeg": _picture("JPEG"),
        "picture_gif": _picture("GIF"),
        "picture_png_of_16k": _png(16_384, 16_384),
        "picture_heic": box(b"ftyp", b"heic\x00\x00\x00\x00mif1heic") + film()[24:],
        "picture_avif": box(b"ftyp", b"avif\x00\x00\x00\x00mif1avif") + film()[24:],
        "raw_camera": box(b"ftyp", b"crx \x00\x00\x00\x01crx isom") + film()[24:],
    }
    cases = {name: Case(write=lambda content=content: content, reason=_BOUND) for name, content in texts.items()}  # type: ignore[misc]
    hidden = playlist(f"file://{secret}")
    return cases | {
        "playlist_behind_a_box": Case(write=lambda: FTYP + hidden, reason="CORRUPT_MEDIA"),
        "playlist_in_a_box": Case(write=lambda: FTYP + box(b"free", hidden) + box(b"mdat", hidden), reason="CORRUPT_MEDIA"),
        "playlist_in_matroska": Case(write=lambda: b"\x1a\x45\xdf\xa3" + hidden, reason="CORRUPT_MEDIA"),
        "samples_in_another_file": Case(write=lambda: _wiped(secret_film(secret)), reason="CORRUPT_MEDIA"),
        "samples_in_an_alias": Case(write=lambda: film(Track(reference=_alias(str(secret)))), reason="CORRUPT_MEDIA"),
        "reference_film": Case(write=lambda: _reference(str(secret)), reason="NO_VIDEO"),
        "film_with_a_page_in_a_box": Case(
            write=lambda: film(before=box(b"free", b"<!doctype html><script>alert(1)</script>" * 9)), facts={"duration_ms": 15_500}
        ),
        "film_with_a_document_in_a_box": Case(write=lambda: film(before=box(b"free", b"%PDF-1.7\n")), facts={"duration_ms": 15_500}),
        "film_with_an_archive_behind": Case(write=lambda: film(after=_archive()), reason="CORRUPT_MEDIA"),
        "film_with_a_program_behind": Case(write=lambda: film(after=b"\x7fELF\x02\x01\x01" + bytes(600)), reason="CORRUPT_MEDIA"),
        "film_of_pngs_of_16k": Case(
            write=lambda: film(
                Track(entry=picture_entry(b"png ", width=16_384, height=16_384), material=[_png(16_384, 16_384)], size=(16_384, 16_384)),
                sound(),
                shared=True,
            ),
            reason="UNSUPPORTED_CODEC",
        ),
        "film_of_jpegs": Case(
            write=lambda: film(Track(entry=picture_entry(b"jpeg"), material=[_picture("JPEG")]), shared=True), reason="UNSUPPORTED_CODEC"
        ),
    }


def secret_film(path: Path) -> bytes:
    """A film that says its samples are in the file at that path, which is right where it lies there itself."""
    return film(Track(reference=full(b"url ", f"file://{path}".encode() + b"\0")))


def _wiped(content: bytes) -> bytes:
    """The same boxes at the same places, and no pictures: whoever sees some has read another file."""
    at = content.index(b"mdat") + 4
    return content[:at] + bytes(len(content) - at)


def _alias(path: str) -> bytes:
    """A QuickTime alias with the target's absolute path in it."""
    name = Path(path).name.encode()[:27]
    volume = b"disk"
    body = bytes(6) + b"\x00" * 4 + bytes([len(volume)]) + volume.ljust(27, b"\0") + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0")
    body += bytes(16) + struct.pack(">hh", 0, 0) + bytes(16)
    text = path.encode()
    body += struct.pack(">hh", 2, len(text)) + text + bytes(len(text) % 2) + struct.pack(">hh", -1, 0)
    return box(b"alis", u32(0), body)


def _reference(path: str) -> bytes:
    """A QuickTime file that only says where the film is."""
    target = f"file://{path}".encode() + b"\0"
    data = box(b"rdrf", u32(0), b"url ", u32(len(target)), target)
    return FTYP + box(b"moov", box(b"rmra", box(b"rmda", data))) + box(b"mdat", SELF)


def _picture(kind: str) -> bytes:
    written = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(written, format=kind)
    return written.getvalue()


@cache
def _png(width: int, height: int) -> bytes:
    """A picture that is small as a file and large in memory."""

    def part(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    squeezer = zlib.compressobj(9)
    row = bytes(width + 1)
    rows = b"".join(squeezer.compress(row) for _ in range(height)) + squeezer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


def _archive() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("secret.txt", "x" * 100)
    return written.getvalue()
