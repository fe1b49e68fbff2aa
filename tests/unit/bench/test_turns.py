"""Sides take turns, are measured alone, and have to have done the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bench.turns import DifferentWork, Run, Turn, in_turns, timed


def side(said: list[str], name: str, *, work: str = "ten rows") -> Turn:
    async def turn() -> Run:
        said.append(name)
        return Run(wall_s=float(len(said)), cpu_s=0.0, work=work)

    return turn


async def test_every_second_turn_is_reversed() -> None:
    said: list[str] = []
    trial = await in_turns("rows", {"ours": side(said, "ours"), "other": side(said, "other")}, repetitions=3)
    assert said == ["ours", "other", "other", "ours", "ours", "other"]
    assert trial.order == tuple(said)
    assert [run.wall_s for run in trial.runs["ours"]] == [1.0, 4.0, 5.0]
    assert [run.wall_s for run in trial.runs["other"]] == [2.0, 3.0, 6.0]
    assert trial.work == "ten rows"


async def test_turns_to_warm_up_are_made_and_not_kept() -> None:
    said: list[str] = []
    trial = await in_turns("rows", {"ours": side(said, "ours"), "other": side(said, "other")}, repetitions=1, warm_ups=1)
    assert said == ["other", "ours", "ours", "other"]
    assert trial.order == ("ours", "other")
    assert [run.wall_s for run in trial.runs["ours"]] == [3.0]


@pytest.mark.parametrize("warm_ups", [0, 1])
async def test_sides_that_did_different_things_are_not_compared(warm_ups: int) -> None:
    said: list[str] = []
    sides = {"ours": side(said, "ours"), "other": side(said, "other", work="nine rows")}
    with pytest.raises(DifferentWork, match=r"rows: .*ours did ten rows") as told:
        await in_turns("rows", sides, repetitions=2, warm_ups=warm_ups)
    assert "other did nine rows" in str(told.value)


async def test_a_side_that_does_something_else_later_is_noticed() -> None:
    works = iter(["ten rows", "ten rows", "ten rows", "nine rows"])

    async def turn() -> Run:
        return Run(wall_s=1.0, cpu_s=1.0, work=next(works))

    with pytest.raises(DifferentWork):
        await in_turns("rows", {"ours": turn, "other": turn}, repetitions=2)


async def test_looking_at_the_work_is_not_measured() -> None:
    burnt: list[int] = []

    def burn(times: int) -> Callable[[], Awaitable[str]]:
        async def act() -> str:
            burnt.append(sum(number * number for number in range(times)))
            await asyncio.sleep(0)
            return "burnt"

        return act

    little = await timed(burn(1), burn(500_000))()
    much = await timed(burn(500_000), burn(1))()
    assert little.work == much.work == "burnt"
    assert little.cpu_s * 5 < much.cpu_s
    assert len(burnt) == 4


async def test_a_trial_is_told_to_machines_with_its_order() -> None:
    trial = await in_turns("rows", {"ours": side([], "ours")}, repetitions=1)
    assert trial.as_json() == {"name": "rows", "order": ["ours"], "runs": {"ours": [{"wall_s": 1.0, "cpu_s": 0.0}]}, "work": "ten rows"}
