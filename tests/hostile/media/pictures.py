"""H.264 pictures and headers, two that decode and any that lie: the material of which the hostile films are made."""

import subprocess
from dataclasses import dataclass
from functools import cache

from devstack.clips.maker import media_tools

SIDE = 64
_START = b"\x00\x00\x00\x01"
_SPS, _PPS, _IDR = 7, 8, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One picture size: its two headers, and two whole pictures that need nobody else."""

    sps: bytes
    pps: bytes
    pictures: tuple[bytes, bytes]
    """One NAL unit each, without start code or length."""

    @property
    def config(self) -> bytes:
        """The content of an avcC box, which is Matroska's CodecPrivate too."""
        return avc_config(self.sps, self.pps)

    @property
    def samples(self) -> tuple[bytes, ...]:
        """The pictures as MP4 and Matroska hold them."""
        return tuple(sized(picture) for picture in self.pictures)


@cache
def stream(width: int = SIDE, height: int = SIDE) -> Stream:
    """Two different pictures of that size."""
    made = subprocess.run(
        [
            *(media_tools().ffmpeg, "-v", "error", "-nostdin", "-f", "lavfi", "-i", f"testsrc2=s={width}x{height}:r=24"),
            *("-frames:v", "2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "1", "-pix_fmt", "yuv420p"),
            *("-x264-params", "slices=1:threads=1", "-bsf:v", "filter_units=pass_types=5|7|8", "-f", "h264", "pipe:1"),
        ],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    units = [unit for unit in made.replace(_START, b"\x00\x00\x01").split(b"\x00\x00\x01") if unit]
    by_kind = {kind: [unit for unit in units if unit[0] & 0x1F == kind] for kind in (_SPS, _PPS, _IDR)}
    first, second = by_kind[_IDR]
    return Stream(sps=by_kind[_SPS][0], pps=by_kind[_PPS][0], pictures=(first, second))


def sized(unit: bytes) -> bytes:
    """A NAL unit behind its length."""
    return len(unit).to_bytes(4) + unit


def annex_b(*units: bytes) -> bytes:
    """NAL units as a bare stream and AVI hold them."""
    return b"".join(_START + unit for unit in units)


def avc_config(sps: bytes, pps: bytes) -> bytes:
    """The content of an avcC box."""
    return b"".join([b"\x01", sps[1:4], b"\xff\xe1", len(sps).to_bytes(2), sps, b"\x01", len(pps).to_bytes(2), pps])


def claimed_sps(width: int, height: int, *, references: int = 1) -> bytes:
    """A sequence header for pictures of any size that is a multiple of 16, whether or not somebody has them."""
    bits = _Bits()
    for value in (66, 0xC0, 62):
        bits.plain(value, 8)
    for value in (0, 0, 2, references):
        bits.golomb(value)
    bits.plain(0, 1)
    bits.golomb(width // 16 - 1)
    bits.golomb(height // 16 - 1)
    bits.plain(0b1100, 4)
    return b"\x67" + bits.finished()


class _Bits:
    def __init__(self) -> None:
        self._text = ""

    def plain(self, value: int, length: int) -> None:
        self._text += f"{value:0{length}b}"

    def golomb(self, value: int) -> None:
        length = (value + 1).bit_length()
        self._text += f"{value + 1:0{2 * length - 1}b}"

    def finished(self) -> bytes:
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        found = int(text, 2).to_bytes(len(text) // 8)
        # Three bytes must not look like a start code.
        for least in (0, 1, 2, 3):
            found = found.replace(b"\x00\x00" + bytes([least]), b"\x00\x00\x03" + bytes([least]))
        return found
