"""How hard clips are, and what their recipes make of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from svc_video.processing.media import Group, MediaFacts, MediaTools, Rendition, make_recipe, measure_complexity, probe
from svc_video.processing.media.encoders import X264
from svc_video.processing.media.facts import Complexity
from tests.unit.media.film import make_film
from tests.unit.media.test_recipe import TOOLS, facts_of

CALM = Complexity(bits=20, lost=2_400)


def rates(facts: MediaFacts) -> dict[str, tuple[int, int]]:
    """Quality and cap of each rung."""
    return {one.name: (one.crf, one.max_kbps) for one in make_recipe(facts, TOOLS).renditions}


async def test_samples_tell_a_calm_clip_from_a_wild_one_and_tell_the_same_again(tools: MediaTools, tmp_path: Path) -> None:
    found: list[Complexity | None] = []
    for name, shown in (("calm", "format=yuv420p"), ("calm", "format=yuv420p"), ("wild", "noise=alls=80:allf=t,format=yuv420p")):
        source = make_film(tools, tmp_path / f"{name}{len(found)}.mp4", seconds=15.2, options=("-vf", shown), audio=())
        found.append(await measure_complexity(tools, source, await probe(tools, source), scratch=tmp_path))
    calm, again, wild = found
    assert calm is not None
    assert wild is not None
    assert calm == again
    assert (wild.bits > 5 * calm.bits, wild.lost > 5 * calm.lost) == (True, True)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


async def test_a_clip_whose_samples_cannot_be_decoded_gets_what_every_clip_gets(tools: MediaTools, tmp_path: Path) -> None:
    source = tmp_path / "broken.mp4"
    source.write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(4_000))
    assert await measure_complexity(tools, source, facts_of(), scratch=tmp_path) is None
    assert rates(replace(facts_of(), complexity=None)) == rates(facts_of())


def test_a_calm_clip_gets_half_the_cap_in_every_rung_and_codec() -> None:
    usual, calm = rates(facts_of()), rates(replace(facts_of(), complexity=CALM))
    assert usual["720p"] == (23, 2_800)
    assert calm == {name: (27, kbps // 2) for name, (_, kbps) in usual.items()}
    both = [make_recipe(replace(facts_of(), complexity=found), TOOLS).of_group(Group.AV1) for found in (None, CALM)]
    assert [(one.crf, one.max_kbps) for group in both for one in group if one.name == "720p-av1"] == [(38, 1_820), (42, 910)]


@pytest.mark.parametrize("found", [Complexity(bits=41, lost=0), Complexity(bits=0, lost=5_001)])
def test_what_is_not_calm_in_both_ways_is_not_calm(found: Complexity) -> None:
    assert rates(replace(facts_of(), complexity=found)) == rates(facts_of())


def test_facts_carry_it_to_every_worker_and_those_of_before_have_none() -> None:
    facts = replace(facts_of(), complexity=CALM)
    assert MediaFacts.from_json(facts.to_json()) == facts
    assert MediaFacts.from_json(facts_of().to_json().replace(', "complexity": null', "").replace('"complexity": null, ', "")) == facts_of()


def test_only_calm_clips_are_looked_ahead_for() -> None:
    def looks_ahead(rendition: Rendition, recipe_of: MediaFacts) -> bool:
        return "-rc-lookahead" in X264.arguments(make_recipe(recipe_of, TOOLS), rendition)

    for facts, ahead in ((facts_of(), False), (replace(facts_of(), complexity=CALM), True)):
        [first] = make_recipe(facts, TOOLS).of_group(Group.FIRST)
        assert looks_ahead(first, facts) is ahead
