"""Pictures of people: what they carry beside their pixels is gone, and what means harm is refused by its name, in bounded time and memory."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from svc_video.processing.media import squares as squares_of_media
from svc_video.processing.media.sandbox import Limits, ToolRun, run_tool
from svc_video.processing.media.squares import PictureRefused, make_squares
from svc_video.processing.media.squaring import kind_of
from tests.hostile.media.portraits import BLUE, CANARY, RED, REFUSED, STRANGERS, TAKEN, halves, turned, with_everything, written

SIDES = (64, 128)
AT_ONCE = 3


async def squares(folder: Path, name: str, content: bytes) -> dict[int, bytes]:
    """The squares of a file of any name."""
    source = folder / name
    source.write_bytes(content)
    return await make_squares(source, sides=SIDES)


async def fate(folder: Path, name: str, content: bytes) -> str:
    """The reason of a refusal, empty for none."""
    try:
        await squares(folder, name, content)
    except PictureRefused as refused:
        return refused.reason.value
    return ""


def near(found: object, wanted: tuple[int, int, int], *, by: int = 24) -> bool:
    """Whether a pixel is of a colour, but for what encoding loses."""
    assert isinstance(found, tuple)
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.timeout(90)
async def test_each_is_refused_by_its_name_and_leaves_nothing(tmp_path: Path) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> tuple[str, str]:
        async with turn:
            return name, await fate(tmp_path, f"{name}.jpg", REFUSED[name][1]())

    assert len(REFUSED) + len(STRANGERS) >= 25
    assert dict(await asyncio.gather(*map(one, REFUSED))) == {name: reason for name, (reason, _) in REFUSED.items()}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.jpg" for name in REFUSED)


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_picture_of_ours_is_known_by_its_first_bytes(name: str) -> None:
    assert kind_of(STRANGERS[name]()[:16]) == ""


async def test_each_way_to_store_a_picture_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    all_made = await asyncio.gather(*(squares(tmp_path, f"{name}.svg", make()) for name, make in TAKEN.items()))
    for name, made in zip(TAKEN, all_made, strict=True):
        assert {side: opened(content).size for side, content in made.items()} == {side: (side, side) for side in SIDES}, name
        assert all(content[:4] == b"RIFF" and content[8:12] == b"WEBP" for content in made.values())


async def test_nothing_but_pixels_survives(tmp_path: Path) -> None:
    sent = with_everything()
    assert sent.count(CANARY) >= 5
    for content in (await squares(tmp_path, "holiday.jpg", sent)).values():
        assert CANARY not in content
        image = opened(content)
        assert not dict(image.getexif())
        assert {"exif", "icc_profile", "xmp", "comment"} & set(image.info) == set()


@pytest.mark.parametrize(("orientation", "red_is"), [(2, "right"), (6, "top"), (8, "bottom")])
async def test_a_picture_is_held_as_it_says(tmp_path: Path, orientation: int, red_is: str) -> None:
    image = opened((await squares(tmp_path, "held.jpg", turned(orientation)))[128]).convert("RGB")
    places = {"left": (10, 64), "right": (117, 64), "top": (64, 10), "bottom": (64, 117)}
    other = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[red_is]
    assert near(image.getpixel(places[red_is]), RED)
    assert near(image.getpixel(places[other]), BLUE)


async def test_the_middle_is_shown_on_white(tmp_path: Path) -> None:
    wide = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    wide.paste((*RED, 255), (100, 0, 150, 100))
    image = opened((await squares(tmp_path, "wide.png", written(wide, "PNG")))[128]).convert("RGB")
    assert near(image.getpixel((20, 64)), RED)
    assert near(image.getpixel((110, 64)), (255, 255, 255))


async def test_a_picture_that_needs_more_than_it_may_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Limits] = []

    async def less(argv: list[str | Path], *, cwd: Path, reads: list[Path], limits: Limits) -> ToolRun:
        seen.append(limits)
        starved = Limits(wall_s=20, cpu_s=4, memory_bytes=2048 * 1024**2, data_bytes=40 * 1024**2, stdout_bytes=limits.stdout_bytes)
        return await run_tool(argv, cwd=cwd, reads=reads, limits=starved)

    monkeypatch.setattr(squares_of_media, "run_tool", less)
    assert await fate(tmp_path, "large.png", written(halves(4_000, 3_000), "PNG")) == "TOO_MANY_PIXELS"
    assert (seen[0].data_bytes, seen[0].cpu_s, seen[0].file_bytes, seen[0].forks) == (512 * 1024**2, 4, 1, False)
