"""Which encoder of H.264 a machine uses: one in hardware where it is there, really encodes inside the sandbox, keeps the grid and shows as much as x264;
x264 everywhere else."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from svc_video.processing.media.bounds import guarded_input
from svc_video.processing.media.encoders import HARDWARE, X264, Encoder, output
from svc_video.processing.media.errors import MediaToolFailed
from svc_video.processing.media.recipe import SEGMENT_MS, Group, Recipe, Rendition
from svc_video.processing.media.sandbox import Limits, run_tool, scratch_folder
from svc_video.processing.media.tools import MediaTools, devices_of, with_encoder

AUTO, SOFTWARE = "auto", "x264"
CHOICES = (AUTO, SOFTWARE, *(encoder.name for encoder in HARDWARE))

_FPS = 30
_FRAMES = 66
"""The second group of pictures has begun."""
_TRIED = Rendition(name="tried", group=Group.FIRST, width=256, height=448, crf=23, max_kbps=2800)
_RECIPE = Recipe(
    version="tried", fps=_FPS, frames=_FRAMES, duration_ms=_FRAMES * 1000 // _FPS, renditions=(_TRIED,), chunks=(), has_audio=False
)
_SHOWN = f"testsrc2=size={_TRIED.width}x{_TRIED.height}:rate={_FPS},noise=alls=6:allf=t:all_seed=3,format=yuv420p"
"""Sharp edges, flat areas and a little noise, the same on every machine."""
_LIMITS = Limits(wall_s=20, cpu_s=20, file_bytes=64 * 1024**2)
_WORSE_DB = 0.5
"""How much less structure (SSIM in dB) a picture may keep than x264's: less than what one point of VMAF is."""
_LARGER = 1.5
"""How many times as many bytes it may take for that."""
_SSIM = re.compile(r"SSIM Y:[\d.]+ \(([\d.]+|inf)\)")


class EncoderUnfit(MediaToolFailed):
    """The encoder is there but does not do what is needed of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What became of the pictures that were tried."""

    size_bytes: int
    likeness_db: float


async def choose_encoder(tools: MediaTools, wish: str, *, scratch: Path, devices: Path = Path("/dev")) -> tuple[MediaTools, list[str]]:
    """Tools with the encoder to use, and why others are not used, a sentence each. `wish` is one of CHOICES, tries are made in `scratch`.

    Raises MediaToolFailed where an encoder was named that cannot be used.
    """
    reasons: list[str] = []
    if wish == SOFTWARE:
        return with_encoder(tools, X264, ""), reasons
    for encoder in HARDWARE:
        if wish not in {AUTO, encoder.name}:
            continue
        device = _device(encoder, devices)
        try:
            if device is None:
                raise EncoderUnfit("ffmpeg", problem=f"{encoder.name} needs {' or '.join(encoder.devices)} below {devices}")
            chosen = with_encoder(tools, encoder, str(device))
            await _prove(chosen, scratch)
        except MediaToolFailed as error:
            if wish == encoder.name:
                raise
            if device is not None:
                reasons.append(f"{encoder.name} is not used: {error.problem}")
        else:
            return chosen, reasons
    return with_encoder(tools, X264, ""), reasons


def _device(encoder: Encoder, devices: Path) -> Path | None:
    return next((path for pattern in encoder.devices for path in sorted(devices.glob(pattern))), None)


async def _prove(tools: MediaTools, scratch: Path) -> None:
    """Encodes a few pictures as a chunk is encoded. Raises MediaToolFailed."""
    async with scratch_folder(scratch) as folder:
        plain = await _try(with_encoder(tools, X264, ""), folder)
        made = await _try(tools, folder)
    if made.likeness_db < plain.likeness_db - _WORSE_DB:
        raise EncoderUnfit("ffmpeg", problem=f"it shows less: {made.likeness_db:.1f} dB of likeness, x264 {plain.likeness_db:.1f} dB")
    if made.size_bytes > plain.size_bytes * _LARGER:
        raise EncoderUnfit("ffmpeg", problem=f"it takes {made.size_bytes} bytes where x264 takes {plain.size_bytes}")


async def _try(tools: MediaTools, folder: Path) -> _Shown:
    encoder, path = tools.encoder, folder / f"{tools.encoder.name}.mp4"
    bring = f",{encoder.upload}" if encoder.upload else ""
    await _run(
        tools,
        [
            *(part.format(device=tools.device) for part in encoder.setup),
            *("-filter_complex", f"{_SHOWN}{bring}[out0]", "-map", "[out0]", "-frames:v", str(_FRAMES)),
            *(*output(encoder, _RECIPE, _TRIED), "-f", "mp4", path.name),
        ],
        folder,
    )
    await _check_grid(tools, path)
    said = await _run(
        tools,
        [*guarded_input(path, "mov"), "-filter_complex", f"{_SHOWN}[shown];[0:v][shown]ssim", "-frames:v", str(_FRAMES), "-f", "null", "-"],
        folder,
    )
    found = _SSIM.search(said)
    if found is None:
        raise EncoderUnfit("ffmpeg", problem="does not tell how alike pictures are", stderr_tail=said)
    return _Shown(size_bytes=path.stat().st_size, likeness_db=float(found[1]))


async def _check_grid(tools: MediaTools, path: Path) -> None:
    """Every picture is there, groups of pictures begin every two seconds and nowhere else, and no picture is decoded later than joining expects."""
    run = await run_tool(
        [
            *(tools.ffprobe, "-v", "error", "-select_streams", "v:0", "-show_entries"),
            *("stream=codec_name,pix_fmt:packet=pts,dts,flags", "-of", "json", *guarded_input(path, "mov")),
        ],
        cwd=path.parent,
        reads=[path],
        limits=_LIMITS,
    )
    told = json.loads(run.stdout or b"{}")
    packets, streams = told.get("packets", []), told.get("streams", [])
    if [(one.get("codec_name"), one.get("pix_fmt")) for one in streams] != [("h264", "yuv420p")]:
        raise EncoderUnfit("ffmpeg", problem="it does not write 8-bit H.264 that every player knows")
    ticks = packets[1]["dts"] - packets[0]["dts"] if len(packets) == _FRAMES else 0
    if not ticks:
        raise EncoderUnfit("ffmpeg", problem=f"it wrote {len(packets)} of {_FRAMES} pictures")
    begins = [packet["pts"] // ticks for packet in packets if "K" in packet["flags"]]
    if begins != list(range(0, _FRAMES, SEGMENT_MS * _FPS // 1000)):
        raise EncoderUnfit("ffmpeg", problem=f"groups of pictures begin at {begins}, not every two seconds")
    if packets[0]["dts"] < -tools.encoder.reordered * ticks:
        raise EncoderUnfit("ffmpeg", problem=f"it decodes more than {tools.encoder.reordered} pictures ahead")


async def _run(tools: MediaTools, arguments: list[str], folder: Path) -> str:
    run = await run_tool(
        [tools.ffmpeg, "-hide_banner", "-nostdin", "-y", "-nostats", "-loglevel", "info", *arguments],
        cwd=folder,
        reads=[folder],
        limits=_LIMITS,
        devices=devices_of(tools, tools.encoder),
    )
    if run.exit_code != 0:
        last = run.stderr_tail.splitlines()[-1:] or ["nothing was said"]
        raise EncoderUnfit("ffmpeg", problem=f"ended with {run.exit_code}: {last[0]}", stderr_tail=run.stderr_tail, exit_code=run.exit_code)
    return run.stderr_tail
