"""Pictures as people send them, and as those send them who mean harm: all made by code."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, PngImagePlugin

CANARY = b"canary-of-somebodys-house"
"""Stands wherever a file can keep words beside its pixels."""
RED, BLUE, GREEN = (200, 30, 30), (30, 30, 200), (30, 160, 30)


def halves(width: int = 120, height: int = 80) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def with_everything() -> bytes:
    """A JPEG with a place, a thumbnail's worth of words, a comment, a profile, and a ZIP behind it."""
    exif = Image.Exif()
    exif[0x010E] = CANARY.decode()
    exif.get_ifd(0x8825)[29] = CANARY.decode()
    jpeg = written(halves(), "JPEG", exif=exif, comment=CANARY, xmp=b"<x>" + CANARY + b"</x>")
    return jpeg + b"PK\x03\x04" + CANARY + b"<script>" + CANARY + b"</script>"


def turned(orientation: int) -> bytes:
    """A JPEG that says how to hold it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return written(halves(80, 80), "JPEG", exif=exif, quality=95)


def _moving(kind: str) -> bytes:
    return written(halves(), kind, save_all=True, append_images=[Image.new("RGB", (120, 80), GREEN)], duration=100)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that claims a size, whatever else is in it."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + b"".join(chunks) + _chunk(b"IEND", b"")


def _bomb() -> bytes:
    """16,000 x 16,000 pixels that really are there, in some kilobytes."""
    packed = zlib.compressobj(9)
    row = b"\x00" * (1 + 16_000 // 8)
    content = b"".join(packed.compress(row) for _ in range(16_000)) + packed.flush()
    return png(16_000, 16_000, _chunk(b"IDAT", content), depth=1, colour=0)


def _claimed_jpeg() -> bytes:
    """A JPEG whose header speaks of 65,500 x 65,500 pixels."""
    jpeg = bytearray(written(halves(), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(jpeg)


def _words_bomb() -> bytes:
    """A PNG with twenty megabytes of words in as many kilobytes."""
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * 20_000_000, zip=True)
    return written(halves(), "PNG", pnginfo=info)


def _profile_bomb() -> bytes:
    content = b"p\x00\x00" + zlib.compress(b"\x00" * 20_000_000, 9)
    pixels = zlib.compress(b"".join(b"\x00" + bytes(RED) * 64 for _ in range(64)))
    return png(64, 64, _chunk(b"iCCP", content), _chunk(b"IDAT", pixels))


def _damaged_png() -> bytes:
    content = bytearray(written(halves(), "PNG"))
    at = content.index(b"IDAT") + 10
    content[at] ^= 0xFF
    return bytes(content)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><script>alert(1)</script></svg>'

STRANGERS: Mapping[str, Callable[[], bytes]] = {
    "svg_behind_a_byte_order_mark": lambda: b"\xef\xbb\xbf" + SVG,
    "gif": lambda: written(halves(), "GIF"),
    "bmp": lambda: written(halves(), "BMP"),
    "tiff": lambda: written(halves(), "TIFF"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(x) run\n",
    "film": lambda: b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 100,
    "playlist": lambda: b"#EXTM3U\nfile:///etc/passwd\n",
    "sound_in_riff": lambda: b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 30,
    "page": lambda: b"<!doctype html><script>alert(1)</script>",
}
"""What begins like nothing that is taken, so that no decoder is loaded for it."""

REFUSED: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("UNSUPPORTED_IMAGE", lambda: b""),
    "svg": ("UNSUPPORTED_IMAGE", lambda: SVG),
    "gif_that_begins_like_a_jpeg": ("CORRUPT_IMAGE", lambda: b"\xff\xd8\xff" + written(halves(), "GIF")),
    "cut_jpeg": ("CORRUPT_IMAGE", lambda: _half(written(halves(400, 400), "JPEG", quality=95))),
    "cut_png": ("CORRUPT_IMAGE", lambda: _half(written(halves(), "PNG"))),
    "cut_webp": ("CORRUPT_IMAGE", lambda: _half(written(halves(), "WEBP"))),
    "damaged_png": ("CORRUPT_IMAGE", _damaged_png),
    "png_without_pixels": ("CORRUPT_IMAGE", lambda: png(64, 64)),
    "words_bomb": ("CORRUPT_IMAGE", _words_bomb),
    "profile_bomb": ("CORRUPT_IMAGE", _profile_bomb),
    "moving_webp": ("ANIMATED_IMAGE", lambda: _moving("WEBP")),
    "moving_png": ("ANIMATED_IMAGE", lambda: _moving("PNG")),
    "bomb_of_16k": ("TOO_MANY_PIXELS", _bomb),
    "claimed_size_of_a_jpeg": ("TOO_MANY_PIXELS", _claimed_jpeg),
    "claimed_size_of_a_png": ("TOO_MANY_PIXELS", lambda: png(60_000, 60_000)),
    "too_small": ("TOO_FEW_PIXELS", lambda: written(halves(16, 100), "PNG")),
}
"""What is refused, by which name."""

TAKEN: Mapping[str, Callable[[], bytes]] = {
    "jpeg": lambda: written(halves(), "JPEG"),
    "png": lambda: written(halves(), "PNG"),
    "webp": lambda: written(halves(), "WEBP"),
    "grey": lambda: written(halves().convert("L"), "PNG"),
    "palette": lambda: written(halves().convert("P"), "PNG"),
    "print_colours": lambda: written(halves().convert("CMYK"), "JPEG"),
    "sixteen_bits": lambda: written(Image.new("I;16", (64, 64), 40_000), "PNG"),
    "polyglot": with_everything,
}
"""What is taken, however it is stored."""
