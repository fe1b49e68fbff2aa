"""Each bench once and small: what it compares, that sides took turns, that both did the same. Figures are not looked at."""

from __future__ import annotations

import os

import pytest
from _pytest.mark import ParameterSet

from bench import report
from bench.listing import BENCHES
from bench.plan import Bench

LEAST_FIGURES = {
    "ladder": 2,
    "overhead": 3,
    "titles": 4,
    "first-play": 2,
    "workers": 2,
    "writes": 3,
    "chain": 2,
    "likes": 5,
    "fanout": 5,
    "comments": 5,
    "page": 1,
    "sign-in": 5,
    "s3": 4,
    "cql": 6,
    "kafka": 2,
    "upload": 3,
    "effect": 4,
    "startup": 2,
    "idle": 4,
}
AIMS = {
    "ladder": ["<= 0.74", "<= 0.74"],
    "overhead": ["<= 1.05", "<= 1.05"],
    "titles": ["<= 0.7", "<= 1", "<= 1"],
    "first-play": ["<= 3", "<= 1.1"],
    "workers": ["<= 120"],
    "writes": [">= 5000"],
    "likes": [">= 5000", ">= 0.4"],
    "fanout": ["<= 1000"],
    "comments": ["<= 1"],
    "page": ["<= 2"],
    "sign-in": ["<= 1", "<= 1"],
    "s3": ["<= 1.15"] * 4,
    "cql": ["<= 1.3"] * 3,
    "kafka": ["<= 1.3"] * 2,
    "startup": ["<= 5", "<= 5"],
}


SERVERS = {"cql": "CLIPMESH_TEST_CASSANDRA", "kafka": "CLIPMESH_TEST_KAFKA", "s3": "CLIPMESH_TEST_S3", "upload": "CLIPMESH_TABLES"}
"""They measure a real server, whose URL this variable names."""
LONG = {"startup", "workers", "idle", "first-play", "titles"}
"""They start one or two whole systems each, or draw long clips."""


def _cases() -> list[ParameterSet]:
    """All but the one that needs a builder of wheels, whose parts have tests of their own, and those whose server is not there."""
    benches = [bench for bench in BENCHES if bench.name != "install" and (bench.name not in SERVERS or os.environ.get(SERVERS[bench.name]))]
    return [pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.name in LONG else []) for one in benches]


@pytest.mark.parametrize("bench", [pytest.param(one, id=one.name) for one in BENCHES if one.name in SERVERS])
async def test_a_bench_without_its_server_is_skipped_and_says_what_it_needs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVERS[bench.name], raising=False)
    told = (await report.run_one(bench, quick=True, long=False)).as_json()
    assert told["state"] == "skipped"
    assert SERVERS[bench.name] in told["problem"]


@pytest.mark.parametrize("bench", _cases())
async def test_a_bench_measures_both_sides_in_turns_at_the_same_work(bench: Bench) -> None:
    entry = await report.run_one(bench, quick=True, long=False)
    told = entry.as_json()
    assert told["state"] == "measured", told["problem"]
    assert len(told["figures"]) == LEAST_FIGURES[bench.name]
    assert [figure["aim"] for figure in told["figures"] if figure["aim"]] == AIMS.get(bench.name, [])
    for figure in told["figures"]:
        assert figure["verdict"] in ({"met", "missed"} if figure["aim"] else {"no aim"})
        assert figure["value"] >= 0
        assert all(side["samples"] for side in figure["sides"])
        assert len(figure["sides"]) == (2 if figure["unit"] == "x" else 1)
    assert told["trials"]
    for trial in told["trials"]:
        sides = list(trial["runs"])
        assert len(sides) >= 2
        turns = [trial["order"][at : at + len(sides)] for at in range(0, len(trial["order"]), len(sides))]
        assert turns == [sides if turn % 2 == 0 else sides[::-1] for turn in range(len(turns))]
        assert any(character.isdigit() for character in trial["work"])
    assert told["sources"]
