"""Which encoder a machine uses. There is no hardware here: encoders of hardware are pretended ones that come down to x264, well or badly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from svc_video.processing.media import MediaToolFailed, MediaTools, Recipe, Rendition, choose_encoder, choosing, recipe_version
from svc_video.processing.media.encoders import HARDWARE, X264, Encoder
from svc_video.processing.media.tools import devices_of, with_encoder

NVENC, QSV, VAAPI, V4L2 = HARDWARE
Arguments = Callable[[Recipe, Rendition], list[str]]


def pretended(encoder: Encoder, *worse: str) -> Encoder:
    """An encoder of hardware whose name comes down to x264, with arguments that make it worse."""

    def arguments(recipe: Recipe, rendition: Rendition) -> list[str]:
        return ["-c:v", X264.name, *X264.arguments(recipe, rendition), *worse]

    return replace(encoder, arguments=arguments, setup=(), upload="")


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    """What stands below /dev of a machine with one card of each kind."""
    folder = tmp_path / "dev"
    (folder / "dri").mkdir(parents=True)
    for name in ("nvidia0", "dri/renderD128", "video11"):
        (folder / name).touch()
    return folder


def machine(monkeypatch: pytest.MonkeyPatch, *encoders: Encoder) -> None:
    """A machine with these encoders of hardware."""
    monkeypatch.setattr(choosing, "HARDWARE", encoders)


async def test_a_machine_without_hardware_uses_x264_and_runs_nothing_for_it(tools: MediaTools, tmp_path: Path) -> None:
    nothing = replace(tools, ffmpeg=tmp_path / "none")
    assert await choose_encoder(nothing, "auto", scratch=tmp_path, devices=tmp_path) == (nothing, [])
    assert tools.encoder is X264


async def test_hardware_that_does_as_well_is_used_and_changes_the_recipe(
    tools: MediaTools, tmp_path: Path, dev: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, pretended(VAAPI))
    chosen, reasons = await choose_encoder(tools, "auto", scratch=tmp_path, devices=dev)
    assert (chosen.encoder.name, chosen.device, reasons) == ("h264_vaapi", str(dev / "dri/renderD128"), [])
    assert chosen.version == tools.version.replace("libx264+", "h264_vaapi+")
    assert recipe_version(chosen.version) != recipe_version(tools.version)
    assert devices_of(chosen, chosen.encoder)[0] == dev / "dri/renderD128"
    assert devices_of(tools, X264) == ()
    assert with_encoder(chosen, X264, "") == tools
    assert [path.name for path in tmp_path.iterdir()] == ["dev"], "the try leaves nothing behind"


@pytest.mark.parametrize(
    ("worse", "problem"),
    [
        (("-crf", "40"), "it shows less"),
        pytest.param(("-crf", "10", "-maxrate", "50M", "-bufsize", "50M"), "it takes", marks=pytest.mark.long),
        (("-g", "40", "-force_key_frames", "0"), "groups of pictures begin at"),
        pytest.param(("-frames:v", "50"), "it wrote 50 of 66 pictures", marks=pytest.mark.long),
        pytest.param(("-pix_fmt", "yuv444p", "-profile:v", "high444"), "8-bit H.264", marks=pytest.mark.long),
        (("-no_such_option", "1"), "ended with"),
    ],
)
async def test_hardware_that_does_less_is_passed_over_or_refused_by_name(
    tools: MediaTools, tmp_path: Path, dev: Path, monkeypatch: pytest.MonkeyPatch, worse: tuple[str, ...], problem: str
) -> None:
    machine(monkeypatch, pretended(NVENC, *worse))
    chosen, [reason] = await choose_encoder(tools, "auto", scratch=tmp_path, devices=dev)
    assert chosen == tools
    assert reason.startswith("h264_nvenc is not used: ")
    assert problem in reason
    with pytest.raises(MediaToolFailed, match=problem):
        await choose_encoder(tools, "h264_nvenc", scratch=tmp_path, devices=dev)


async def test_the_next_one_is_tried_when_one_fails(tools: MediaTools, tmp_path: Path, dev: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, pretended(NVENC, "-no_such_option", "1"), replace(pretended(V4L2), reordered=2))
    chosen, reasons = await choose_encoder(tools, "auto", scratch=tmp_path, devices=dev)
    assert (chosen.encoder.name, len(reasons)) == ("h264_v4l2m2m", 1)


async def test_one_that_decodes_further_ahead_than_joining_expects_is_refused(
    tools: MediaTools, tmp_path: Path, dev: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, pretended(V4L2))
    with pytest.raises(MediaToolFailed, match="more than 0 pictures ahead"):
        await choose_encoder(tools, "h264_v4l2m2m", scratch=tmp_path, devices=dev)


async def test_a_named_encoder_without_its_device_is_refused(tools: MediaTools, tmp_path: Path) -> None:
    with pytest.raises(MediaToolFailed, match=r"h264_qsv needs dri/renderD\* below"):
        await choose_encoder(tools, "h264_qsv", scratch=tmp_path, devices=tmp_path)


async def test_the_real_one_fails_here_and_x264_goes_on(tools: MediaTools, tmp_path: Path, dev: Path) -> None:
    chosen, reasons = await choose_encoder(tools, "auto", scratch=tmp_path, devices=dev)
    assert chosen == tools
    assert [reason.split()[0] for reason in reasons] == [encoder.name for encoder in HARDWARE]


async def test_x264_is_used_where_it_is_asked_for_whatever_there_is(
    tools: MediaTools, tmp_path: Path, dev: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, pretended(NVENC))
    assert await choose_encoder(tools, "x264", scratch=tmp_path, devices=dev) == (tools, [])
