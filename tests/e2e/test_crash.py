"""Processes end at the worst moments, by seed: nothing acknowledged is missing, nothing counts twice, renditions are the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from mesh.failpoints import Failpoint
from mesh.testing.folders import socket_folder
from svc_video.processing.worker.room import jobs_here
from tests.e2e.crashes import PART_BYTES, PLACES, Life, Lived, Plan, check_online, chunks_done_again, outputs, plan_of
from tests.e2e.engines import EMBEDDED, Engines
from tests.e2e.stage import Stage

ROOT = Path(__file__).parents[2]
COMMIT_SEEDS, LONG_SEEDS = 5, 50


async def _through(plan: Plan, clips: Mapping[str, Path], folder: Path, engines: Engines) -> tuple[Lived, Mapping[str, list[int]]]:
    """One life under a plan, checked from outside; the system is stopped afterwards."""
    stage = Stage.at(folder, engines=engines, first_lives=plan.lives, **engines.small_parts(PART_BYTES))
    await stage.system.start()
    try:
        lived = await Life(stage=stage, clips=clips, kills=plan.kills).live()
        await check_online(stage, lived)
        return lived, stage.ends()
    except BaseException as error:
        error.add_note(f"{plan}\nunasked ends: { {name: ends for name, ends in stage.ends().items() if ends} }")
        error.add_note(stage.complaints())
        raise
    finally:
        await stage.close()


@pytest.fixture(scope="session")
def clips(clip: Path, ladder_clip: Path) -> Mapping[str, Path]:
    return {"one size": clip, "a ladder": ladder_clip}


@pytest.fixture(scope="session")
def known_outputs() -> dict[str, dict[str, str]]:
    """What the clips become when nothing goes wrong, filled by the first test that needs it."""
    return {}


async def _undisturbed(known: dict[str, dict[str, str]], clips: Mapping[str, Path]) -> Mapping[str, dict[str, str]]:
    if not known:
        with socket_folder() as folder:
            lived, ends = await _through(Plan(), clips, folder, EMBEDDED)
            assert not any(ends.values())
            assert await chunks_done_again(folder, EMBEDDED, lived) == 0
            known.update({name: await outputs(folder, EMBEDDED, video) for name, video in lived.videos.items()})
        expected = {"video/master.m3u8", "video/360p.mp4", "video/240p/init.mp4", "video/240p/1.m4s", "audio/audio.mp4"}
        assert expected | {"images/poster.jpg", "images/preview.webp"} <= known["a ladder"].keys()
    return known


async def survives(plan: Plan, clips: Mapping[str, Path], known: dict[str, dict[str, str]], engines: Engines) -> None:
    """Live through a plan, and compare all that came of it with what comes of it on embedded engines when nothing goes wrong."""
    undisturbed = await _undisturbed(known, clips)
    with socket_folder() as folder:
        lived, ends = await _through(plan, clips, folder, engines)
        for point, process in plan.points:
            assert -9 in ends[process], f"{point} did not fire in {process}: {plan}"
        # A worker that died, or a service or its rows that were away for longer than a lease, cost what was in hand: a chunk for each job at once.
        without_rows = sum(kill.process == engines.of_rows for kill in plan.kills)
        assert await chunks_done_again(folder, engines, lived) <= jobs_here() * (
            len(ends["worker-1"]) + len(ends["video"]) + without_rows
        ), plan
        for name, video in lived.videos.items():
            assert await outputs(folder, engines, video) == undisturbed[name], plan
        assert not list((folder / "scratch").iterdir())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(COMMIT_SEEDS))
async def test_a_crash_costs_nothing_that_was_acknowledged(
    seed: int, clips: Mapping[str, Path], known_outputs: dict[str, dict[str, str]]
) -> None:
    await survives(plan_of(seed), clips, known_outputs, EMBEDDED)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(COMMIT_SEEDS, COMMIT_SEEDS + LONG_SEEDS))
async def test_no_crash_costs_anything_that_was_acknowledged(
    seed: int, clips: Mapping[str, Path], known_outputs: dict[str, dict[str, str]]
) -> None:
    await survives(plan_of(seed), clips, known_outputs, EMBEDDED)


def test_every_failpoint_is_passed_by_code_and_by_the_commit_seeds() -> None:
    passed = set()
    for file in (
        path for folder in ("mesh", "svc_video", "svc_social", "svc_rights", "svc_feed") for path in (ROOT / folder).rglob("*.py")
    ):
        passed |= set(re.findall(r"hit\(Failpoint\.(\w+)\)", file.read_text()))
    assert passed == set(Failpoint.__members__)
    assert set(PLACES) == set(Failpoint)
    assert {point for seed in range(COMMIT_SEEDS) for point, _ in plan_of(seed).points} == set(Failpoint)
