"""The plan of a clip: ladder, frame rate and chunk grid."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_video.processing.media import Group, MediaFacts, make_recipe
from svc_video.processing.media.facts import AudioFacts

TOOLS = "ffmpeg-8+packager-3"


def facts_of(*, width: int = 1080, height: int = 1920, duration_ms: int = 16_000, fps: Fraction = Fraction(30)) -> MediaFacts:
    return MediaFacts(
        container="mov",
        size_bytes=1,
        duration_ms=duration_ms,
        stream_index=0,
        codec="h264",
        width=width,
        height=height,
        coded_width=width,
        coded_height=height,
        rotation=0,
        fps=fps,
        variable_frame_rate=False,
        longest_frame_ms=33,
        pixel_format="yuv420p",
        bit_depth=8,
        hdr="",
        color_matrix="bt709",
        color_range="tv",
        interlaced=False,
        time_base=Fraction(1, 90_000),
        video_start_ticks=3003,
        container_start_us=0,
        audio=AudioFacts(stream_index=1, codec="aac", sample_rate=48_000, channels=2, start_us=-21, duration_ms=16_000),
    )


@pytest.mark.parametrize(
    ("width", "height", "ladder"),
    [
        (1080, 1920, {"720p": (720, 1280), "1080p": (1080, 1920), "480p": (480, 854), "360p": (360, 640), "240p": (240, 426)}),
        (1920, 1080, {"720p": (1280, 720), "1080p": (1920, 1080), "480p": (854, 480), "360p": (640, 360), "240p": (426, 240)}),
        (3840, 2160, {"720p": (1280, 720), "1080p": (1920, 1080), "480p": (854, 480), "360p": (640, 360), "240p": (426, 240)}),
        (720, 720, {"720p": (720, 720), "480p": (480, 480), "360p": (360, 360), "240p": (240, 240)}),
        (576, 1024, {"720p": (576, 1024), "480p": (480, 854), "360p": (360, 640), "240p": (240, 426)}),
        (321, 181, {"240p": (320, 180)}),
        (240, 240, {"240p": (240, 240)}),
    ],
)
def test_ladder_names_the_short_side_and_never_upscales(width: int, height: int, ladder: dict[str, tuple[int, int]]) -> None:
    recipe = make_recipe(facts_of(width=width, height=height), TOOLS)
    assert {rendition.name: (rendition.width, rendition.height) for rendition in recipe.renditions} == ladder
    first, *rest = recipe.renditions
    assert recipe.of_group(Group.FIRST) == (first,)
    assert recipe.of_group(Group.REST) == tuple(rest)
    assert [rendition.height for rendition in rest] == sorted((rendition.height for rendition in rest), reverse=True)


@pytest.mark.parametrize(
    ("fps", "target"),
    [
        (Fraction(24000, 1001), 24),
        (Fraction(25), 25),
        (Fraction(30000, 1001), 30),
        (Fraction(12), 24),
        (Fraction(40), 50),
        (Fraction(120), 60),
        (Fraction(55, 2), 30),
    ],
)
def test_frame_rate_is_the_nearest_of_the_grid(fps: Fraction, target: int) -> None:
    assert make_recipe(facts_of(fps=fps), TOOLS).fps == target


@given(duration_ms=st.integers(14_950, 600_050), fps=st.sampled_from([24, 25, 30, 50, 60]))
def test_chunks_tile_the_clip_on_the_grid(duration_ms: int, fps: int) -> None:
    recipe = make_recipe(facts_of(duration_ms=duration_ms, fps=Fraction(fps)), TOOLS)
    at = 0
    for index, chunk in enumerate(recipe.chunks):
        assert (chunk.index, chunk.start_frame) == (index, at)
        assert chunk.start_ms % 2000 == 0
        assert chunk.start_ms * fps == at * 1000
        at += chunk.frames
    assert at == recipe.frames
    assert abs(recipe.frames * 1000 / fps - duration_ms) <= 1000 / fps
    lengths = [chunk.duration_ms for chunk in recipe.chunks]
    if recipe.duration_ms < 24_000:
        assert len(lengths) == 2
        assert min(lengths) > 6_900
    else:
        assert (lengths[0], len(lengths) % 2) == (4_000, 1)
        assert all(10_000 - 1_000 / fps < length <= 20_000 for length in lengths[1:])
    assert max(lengths[-2:]) - min(lengths[-2:]) <= 2_000


@pytest.mark.parametrize(
    ("duration_ms", "lengths"),
    [
        (15_000, [8_000, 7_000]),
        (23_900, [12_000, 11_900]),
        (24_000, [4_000, 10_000, 10_000]),
        (29_900, [4_000, 12_000, 13_900]),
        (43_900, [4_000, 20_000, 19_900]),
        (60_000, [4_000, 14_000, 14_000, 14_000, 14_000]),
    ],
)
def test_a_clip_begins_with_a_short_chunk_and_goes_on_in_pairs(duration_ms: int, lengths: list[int]) -> None:
    assert [chunk.duration_ms for chunk in make_recipe(facts_of(duration_ms=duration_ms), TOOLS).chunks] == lengths


def test_version_changes_with_the_tools_and_facts_survive_json() -> None:
    facts = facts_of(fps=Fraction(30000, 1001))
    assert MediaFacts.from_json(facts.to_json()) == facts
    assert make_recipe(facts, TOOLS) == make_recipe(MediaFacts.from_json(facts.to_json()), TOOLS)
    assert make_recipe(facts, TOOLS).version != make_recipe(facts, TOOLS + "x").version
