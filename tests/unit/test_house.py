"""Rules of the house that no tool holds by itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("mesh", "gateway", "devstack", "svc_video", "svc_feed", "svc_social", "svc_sound", "svc_rights")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")


@pytest.mark.parametrize("room", ["rules", "service", "convert", "consumers"])
def test_every_room_is_named_in_the_import_rules(room: str) -> None:
    contracts = (ROOT / ".importlinter").read_text()
    missing = [_name(path) for path in ROOT.glob(f"svc_*/*/{room}.py") if f"    {_name(path)}\n" not in contracts]
    assert missing == []


def test_every_module_opens_with_a_sentence() -> None:
    silent = [_name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_a_main_is_short() -> None:
    long = [_name(path) for path in ROOT.glob("svc_*/__main__.py") if len(path.read_text().splitlines()) > 20]
    assert long == []


def test_no_module_outgrows_its_idea() -> None:
    grown = {_name(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 300 and "testing" not in path.parts}
    assert grown == {}


def test_no_room_is_called_by_a_word_that_says_nothing() -> None:
    vague = [_name(path) for path in SOURCES if path.stem in {"utils", "helpers", "manager", "misc", "data", "common"}]
    assert vague == []
