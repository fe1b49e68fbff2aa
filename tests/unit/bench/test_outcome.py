"""Figures are medians and their ratios, and say whether they reached their aim."""

from __future__ import annotations

import pytest

from bench.outcome import MET, MISSED, NO_AIM, Aim, Side, ratio, value

OURS = Side(name="ours", unit="s", samples=(9.0, 1.0, 3.0))
OTHER = Side(name="other", unit="s", samples=(4.0, 4.0, 400.0))


def test_a_ratio_is_that_of_the_medians() -> None:
    figure = ratio("time", OURS, OTHER)
    assert figure.value == 0.75
    assert (figure.unit, figure.verdict) == ("x", NO_AIM)
    assert figure.sides == (OURS, OTHER)


@pytest.mark.parametrize(
    ("aim", "verdict"),
    [
        (Aim(value=0.75), MET),
        (Aim(value=0.74), MISSED),
        (Aim(value=0.75, least=True), MET),
        (Aim(value=0.76, least=True), MISSED),
    ],
)
def test_an_aim_is_met_by_its_own_value(aim: Aim, verdict: str) -> None:
    assert ratio("time", OURS, OTHER, aim=aim).verdict == verdict


def test_sides_of_different_units_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="s cannot be divided by ms"):
        ratio("time", OURS, Side(name="other", unit="ms", samples=(1.0,)))


def test_a_figure_tells_machines_all_that_it_was_made_of() -> None:
    assert value("time", OURS, aim=Aim(value=5_000, least=True)).as_json() == {
        "name": "time",
        "unit": "s",
        "value": 3.0,
        "sides": [{"name": "ours", "unit": "s", "median": 3.0, "samples": [9.0, 1.0, 3.0]}],
        "aim": ">= 5000",
        "verdict": MISSED,
    }
