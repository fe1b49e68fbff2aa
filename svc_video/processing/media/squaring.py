"""What runs in the sandbox on a picture that somebody sent: decodes it and prints one square of plain pixels, or says by its exit code why not.

Runs as `python -I -S -B squaring.py PILLOW SOURCE SIDE` and imports nothing of ours. Pixels are all that leaves: names, places, thumbnails, colour
profiles, whatever follows the picture in its file and whatever else its format can carry stay behind, and who finds a hole in a decoder can
choose pixels and nothing more.
"""

import contextlib
import importlib.util
import io
import os
import sys
from pathlib import Path
from typing import Any

MOST_PIXELS = 50_000_000
"""What the camera of a phone makes; four bytes for each of them, twice, fit into the memory that the sandbox gives."""
LEAST_SIDE = 32
DONE, UNSUPPORTED, CORRUPT, ANIMATED, TOO_MANY, TOO_FEW = 0, 10, 11, 12, 13, 14
"""Exit codes."""
_ORIENTATION = 0x0112
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""The EXIF orientation of a picture -> Pillow's number of the move that rights it."""


def kind_of(head: bytes) -> str:
    """Pillow's name of the format that a file begins like; empty for one that is not taken. Names and declared types are never asked."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    return "WEBP" if head.startswith(b"RIFF") and head[8:12] == b"WEBP" else ""


def main() -> int:
    """Decode, print, and say how it went."""
    pillow, source, side = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with source.open("rb") as file:
        kind = kind_of(file.read(16))
    if not kind:
        return UNSUPPORTED
    _load(pillow)
    from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415 - a plugin registers itself

    # The size is judged below, by one rule for all formats and before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(source, formats=[kind]) as image:
            if getattr(image, "is_animated", False):
                return ANIMATED
            if image.width * image.height > MOST_PIXELS:
                return TOO_MANY
            if min(image.size) < LEAST_SIDE:
                return TOO_FEW
            pixels = _square(image, side)
    except MemoryError:
        return TOO_MANY
    except Exception:  # whatever a decoder makes of hostile bytes means the same
        return CORRUPT
    _print(pixels)
    return DONE


def _load(pillow: Path) -> None:
    """Pillow from its own folder: the one beside it, with everything else that is installed, cannot be read from here."""
    spec = importlib.util.spec_from_file_location("PIL", pillow / "__init__.py", submodule_search_locations=[str(pillow)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["PIL"] = module
    spec.loader.exec_module(module)


def _square(image: Any, side: int) -> bytes:
    """The middle of a picture as a viewer sees it: upright, on white where it is transparent, in the colours of the web."""
    from PIL import Image  # noqa: PLC0415

    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    profile = image.info.get("icc_profile")
    # JPEG can be decoded at a fraction of its size, for a fraction of the time and memory.
    image.draft(image.mode, (2 * side, 2 * side))
    image.load()
    if image.mode in {"P", "PA", "LA", "La", "RGBa"} or (image.mode in {"1", "L", "RGB"} and "transparency" in image.info):
        image = image.convert("RGBA" if image.mode != "P" or "transparency" in image.info else "RGB")
    elif image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        image = image.convert("RGB" if image.mode in {"YCbCr", "LAB", "HSV"} else "L")
    short, (width, height) = min(image.size), image.size
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    square = image.resize((side, side), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    square = _in_web_colours(square, profile)
    if turn is not None:
        square = square.transpose(Image.Transpose(turn))
    pixels: bytes = square.tobytes()
    return pixels


def _in_web_colours(square: Any, profile: bytes | None) -> Any:
    from PIL import Image  # noqa: PLC0415

    alpha = square.getchannel("A") if square.mode == "RGBA" else None
    if alpha is not None:
        square = square.convert("RGB")
    if profile:
        from PIL import ImageCms  # noqa: PLC0415

        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            theirs, ours = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            square = ImageCms.profileToProfile(square, theirs, ours, outputMode="RGB") or square
    square = square.convert("RGB")
    if alpha is None:
        return square
    ground = Image.new("RGB", square.size, (255, 255, 255))
    ground.paste(square, mask=alpha)
    return ground


def _print(pixels: bytes) -> None:
    left = memoryview(pixels)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    sys.exit(main())
