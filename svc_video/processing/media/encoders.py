"""Encoders of pictures, each with the arguments by which it keeps the 2 s grid: closed groups of pictures of exactly that length, one thread, nothing of
the machine in the bytes. Those in software write the same bytes for the same pictures; of hardware nobody promises that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from svc_video.processing.media.recipe import SEGMENT_MS, Codec, Recipe, Rendition

TIMESCALE = 90_000
"""Ticks per second of every video track: a whole number per picture at every frame rate of a recipe."""
PICTURES_FROM_ZERO = ("-video_track_timescale", str(TIMESCALE), "-movflags", "+negative_cts_offsets")
"""B-frames must not delay the first picture for players that ignore edit lists."""
_THREADS = 1
"""Of each encoder. x264 under a rate cap gives other bytes each time with two threads (7 of 8 runs on a busy machine), also with sliced ones;
a chunk that is made again has to be the same. Workers and chunks share the cores instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """One encoder of ffmpeg."""

    name: str
    """As ffmpeg calls it; part of the recipe's version, because it decides bytes."""
    codec: Codec
    reordered: int
    """How many pictures it decodes ahead of those it shows, at most."""
    arguments: Callable[[Recipe, Rendition], list[str]]
    """Its own, for one rendition."""
    devices: tuple[str, ...] = ()
    """Patterns below /dev of which one has to be there; empty for software."""
    setup: tuple[str, ...] = ()
    """Global arguments; `{device}` is the device found."""
    upload: str = ""
    """What brings pictures to it, at the end of the filters."""


def output(encoder: Encoder, recipe: Recipe, rendition: Rendition) -> list[str]:
    """Arguments of ffmpeg for one output of one rendition, without its name."""
    return [
        *("-c:v", encoder.name, *encoder.arguments(recipe, rendition)),
        *("-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_MS // 1000})"),
        *("-fps_mode", "passthrough", "-enc_time_base", f"1:{recipe.fps}"),
        *("-fflags", "+bitexact", "-map_metadata", "-1", "-map_chapters", "-1", *PICTURES_FROM_ZERO),
    ]


def _gop(recipe: Recipe) -> str:
    return str(SEGMENT_MS * recipe.fps // 1000)


def _capped(rendition: Rendition) -> tuple[str, ...]:
    return "-maxrate", f"{rendition.max_kbps}k", "-bufsize", f"{rendition.buffer_kbits}k"


def _x264(recipe: Recipe, rendition: Rendition) -> list[str]:
    ahead = ("-rc-lookahead", _gop(recipe)) if rendition.calm else ()
    return [
        *ahead,
        *("-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-crf", str(rendition.crf), *_capped(rendition)),
        *("-g", _gop(recipe), "-keyint_min", _gop(recipe), "-sc_threshold", "0", "-flags", "+cgop+bitexact", "-threads", str(_THREADS)),
    ]


def _x265(recipe: Recipe, rendition: Rendition) -> list[str]:
    gop = _gop(recipe)
    own = f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:pools=none:frame-threads=1:wpp=0:info=0:log-level=error"
    return [
        *("-preset", "veryfast", "-pix_fmt", "yuv420p", "-tag:v", "hvc1", "-crf", str(rendition.crf), *_capped(rendition)),
        *("-g", gop, "-flags", "+bitexact", "-threads", str(_THREADS), "-x265-params", own),
    ]


def _vp9(recipe: Recipe, rendition: Rendition) -> list[str]:
    return [
        *("-pix_fmt", "yuv420p", "-deadline", "good", "-cpu-used", "5", "-row-mt", "0", "-tile-columns", "0", "-frame-parallel", "0"),
        *("-crf", str(rendition.crf), "-b:v", f"{rendition.max_kbps}k", *_capped(rendition)),
        *("-g", _gop(recipe), "-keyint_min", _gop(recipe), "-flags", "+bitexact", "-threads", str(_THREADS)),
    ]


def _av1(recipe: Recipe, rendition: Rendition) -> list[str]:
    return [
        *("-pix_fmt", "yuv420p", "-preset", "10", "-crf", str(rendition.crf), *_capped(rendition)),
        *("-g", _gop(recipe), "-flags", "+bitexact", "-svtav1-params", "lp=1:irefresh-type=2:scd=0:enable-force-key-frames=1"),
    ]


def _hardware(*own: str) -> Callable[[Recipe, Rendition], list[str]]:
    """Arguments of an encoder that takes a quality and a cap under its own names: {crf}, {kbps}, {kbits}, {gop}."""

    def arguments(recipe: Recipe, rendition: Rendition) -> list[str]:
        words = {"crf": rendition.crf, "kbps": f"{rendition.max_kbps}k", "kbits": f"{rendition.buffer_kbits}k", "gop": _gop(recipe)}
        return [*(part.format(**words) for part in own), "-g", _gop(recipe), "-flags", "+cgop+bitexact"]

    return arguments


_RATES = ("-maxrate", "{kbps}", "-bufsize", "{kbits}")
X264 = Encoder(name="libx264", codec=Codec.H264, reordered=2, arguments=_x264)
FURTHER = {
    Codec.H265: Encoder(name="libx265", codec=Codec.H265, reordered=2, arguments=_x265),
    Codec.VP9: Encoder(name="libvpx-vp9", codec=Codec.VP9, reordered=0, arguments=_vp9),
    Codec.AV1: Encoder(name="libsvtav1", codec=Codec.AV1, reordered=0, arguments=_av1),
}
HARDWARE = (
    Encoder(
        name="h264_nvenc",
        codec=Codec.H264,
        reordered=2,
        arguments=_hardware(
            *("-preset", "p5", "-profile:v", "high", "-pix_fmt", "yuv420p", "-rc", "vbr", "-cq", "{crf}", "-b:v", "0", *_RATES),
            *("-forced-idr", "1", "-no-scenecut", "1", "-strict_gop", "1", "-bf", "2"),
        ),
        devices=("nvidia[0-9]*",),
    ),
    Encoder(
        name="h264_qsv",
        codec=Codec.H264,
        reordered=2,
        arguments=_hardware("-preset", "medium", "-profile:v", "high", "-global_quality", "{crf}", *_RATES, "-forced_idr", "1", "-bf", "2"),
        devices=("dri/renderD*",),
        setup=("-init_hw_device", "vaapi=va:{device}", "-init_hw_device", "qsv=hw@va", "-filter_hw_device", "hw"),
        upload="format=nv12,hwupload=extra_hw_frames=64",
    ),
    Encoder(
        name="h264_vaapi",
        codec=Codec.H264,
        reordered=2,
        arguments=_hardware("-profile:v", "high", "-rc_mode", "QVBR", "-global_quality", "{crf}", "-b:v", "{kbps}", *_RATES, "-bf", "2"),
        devices=("dri/renderD*",),
        setup=("-vaapi_device", "{device}"),
        upload="format=nv12,hwupload",
    ),
    Encoder(
        name="h264_v4l2m2m",
        codec=Codec.H264,
        reordered=0,
        arguments=_hardware("-pix_fmt", "yuv420p", "-b:v", "{kbps}"),
        devices=("video[0-9]*",),
    ),
)
"""Encoders of hardware in the order in which they are tried."""
