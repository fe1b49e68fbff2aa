"""Finding the tools."""

from pathlib import Path

import pytest

from svc_video.processing.media import MediaToolMissing, MediaTools, locate_tools


def test_versions_and_decoders_are_known(tools: MediaTools) -> None:
    assert tools.version.startswith("libx264+ffmpeg-")
    assert "+packager-v" in tools.version
    assert {"h264", "hevc", "vp9", "mpeg4", "aac", "opus"} <= tools.decoders


def test_an_override_is_used(tools: MediaTools, tmp_path: Path) -> None:
    other = tmp_path / "ffmpeg"
    other.symlink_to(tools.ffmpeg)
    assert locate_tools({"CLIPMESH_FFMPEG": str(other)}).ffmpeg == other


@pytest.mark.parametrize("name", ["CLIPMESH_FFMPEG", "CLIPMESH_FFPROBE", "CLIPMESH_PACKAGER"])
def test_a_wrong_override_is_a_clear_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(MediaToolMissing, match="not an executable file"):
        locate_tools({name: str(tmp_path / "nothing")})


def test_something_that_is_no_ffmpeg_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho hello\n")
    fake.chmod(0o755)
    with pytest.raises(MediaToolMissing, match="version"):
        locate_tools({"CLIPMESH_FFMPEG": str(fake)})


def test_another_system_than_linux_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(MediaToolMissing, match="means of Linux, this is darwin"):
        locate_tools({})
