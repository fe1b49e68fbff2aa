"""What a clip may be: the numbers behind every refusal, and the guards that ride on every call of ffmpeg and ffprobe."""

from pathlib import Path

MAX_PIXELS = 4096 * 2304
MIN_SIDE_PX = 16
MAX_ASPECT_RATIO = 4
MAX_STREAMS = 16
MIN_FPS = 1
MAX_FPS = 250

VIDEO_CODECS = {
    "h264": ("h264",),
    "hevc": ("hevc",),
    "vp8": ("vp8", "libvpx"),
    "vp9": ("vp9", "libvpx-vp9"),
    "mpeg4": ("mpeg4",),
    # ffmpeg's own "av1" decoder only drives hardware, so it does not count.
    "av1": ("libdav1d", "libaom-av1"),
}
"""Codec -> decoders of which one has to be built in."""

AUDIO_CODECS = {
    "aac": ("aac",),
    "ac3": ("ac3",),
    "alac": ("alac",),
    "amr_nb": ("amrnb",),
    "amr_wb": ("amrwb",),
    "eac3": ("eac3",),
    "flac": ("flac",),
    "mp2": ("mp2", "mp2float"),
    "mp3": ("mp3float", "mp3"),
    "opus": ("opus", "libopus"),
    "vorbis": ("vorbis",),
    **{
        name: (name,)
        for name in ("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_u8", "pcm_mulaw", "pcm_alaw")
    },
}

DEMUXERS = ("mov", "matroska", "avi")
_DECODERS = ",".join(decoder for codecs in (VIDEO_CODECS, AUDIO_CODECS) for decoders in codecs.values() for decoder in decoders)
# Above our own limit, so that a file with a few too many is refused by name and not by a failing tool.
_TOOL_MAX_STREAMS = 64


def guarded_input(source: Path, demuxer: str, *, decoders: bool = True) -> list[str]:
    """The arguments that open `source` with one forced demuxer and nothing else: no other file, format, protocol or decoder.

    decoders=False leaves the list of decoders open: ffprobe gives up on any stream that is not on it, even one that nobody wants.
    """
    assert demuxer in DEMUXERS
    return [
        *("-protocol_whitelist", "file"),
        *("-format_whitelist", demuxer),
        *(("-codec_whitelist", _DECODERS) if decoders else ()),
        *("-max_pixels", str(MAX_PIXELS)),
        *("-max_streams", str(_TOOL_MAX_STREAMS)),
        *("-f", demuxer),
        *("-i", f"file:{source.absolute()}"),
    ]
