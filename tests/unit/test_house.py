"""Rules of the house that no tool holds by itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mesh.logs import FIELDS
from tests.unit import import_rules

ROOT = Path(__file__).parents[2]
ROOMS = ("mesh", "gateway", "devstack", "bench", "svc_video", "svc_feed", "svc_social", "svc_sound", "svc_rights")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")


def test_the_import_rules_are_those_of_the_tree() -> None:
    written = (ROOT / ".importlinter").read_text()
    assert written == import_rules.text(), "run: python -m tests.unit.import_rules"


def test_every_module_of_a_service_is_held_by_the_import_rules() -> None:
    held = {contract.key: set(contract.sources) for contract in import_rules.contracts()}
    every = {_name(path) for path in SOURCES if path.parts[len(ROOT.parts)].startswith("svc_") and path.stem != "__init__"}
    outside = every - held["rows-through-stores"]
    allowed = re.compile(r"svc_[a-z]+\.(app|wiring|rooms|[a-z]+\.wiring|[a-z]+\.(session_)?tables|[a-z]+\.store(\.[a-z_]+)?)")
    assert sorted(module for module in outside if not allowed.fullmatch(module)) == []
    assert {module for module in every if module.endswith(".rules")} == held["rules-are-pure"]


def test_a_new_area_has_doors_on_both_sides_and_a_new_room_touches_no_rows(tmp_path: Path) -> None:
    for name in ("svc_video/live/__init__.py", "svc_video/live/actions.py", "svc_video/live/relay.py", "svc_video/live/store.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("svc_video/tiers/__init__.py", "svc_video/tiers/service.py", "mesh/stores/tables/port.py", "mesh/stores/tables/errors.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rules = {contract.key: contract for contract in import_rules.contracts(tmp_path)}
    assert rules["svc_video-live-at-the-door-of-tiers"].forbidden == ("svc_video.tiers.service",)
    assert rules["svc_video-tiers-at-the-door-of-live"].forbidden == ("svc_video.live.relay", "svc_video.live.store")
    rows = rules["rows-through-stores"]
    assert rows.sources == ("svc_video.live.actions", "svc_video.live.relay", "svc_video.tiers.service")
    assert rows.forbidden == ("mesh.stores.tables.port",)


def test_a_new_engine_is_unknown_to_every_other_module(tmp_path: Path) -> None:
    for name in ("stores/tables/port.py", "stores/tables/pg/__init__.py", "events/stream/nats.py", "events/copies.py", "quotas.py"):
        (tmp_path / "mesh" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mesh" / name).touch()
    rule = {contract.key: contract for contract in import_rules.contracts(tmp_path)}["engines-unknown"]
    assert rule.forbidden == ("mesh.stores.tables.pg", "mesh.events.stream.nats", *import_rules.DRIVERS)
    assert {"mesh.quotas", "mesh.events.copies", "mesh.stores.protected", "gateway", "devstack"} <= set(rule.sources)
    assert set(import_rules.PACKAGES) - {"mesh", "bench"} <= set(rule.sources)


def test_every_module_opens_with_a_sentence() -> None:
    silent = [_name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_every_field_that_is_logged_is_one_that_a_line_keeps() -> None:
    said = {(_name(path), field) for path in SOURCES for field in _logged(ast.parse(path.read_text()))}
    assert sorted((module, field) for module, field in said if field not in FIELDS) == [("mesh.app", "is_refusal")]
    assert len(said) > 100


def _logged(tree: ast.Module) -> Iterator[str]:
    """The fields that a module gives to log lines, whether they are spelled in the call, put into a variable before, or made by a method."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "extra":
                    yield from _keys(keyword.value, tree)


def _keys(given: ast.expr, tree: ast.Module) -> Iterator[str]:
    names = {part.id for part in ast.walk(given) if isinstance(part, ast.Name)}
    methods = {part.attr for part in ast.walk(given) if isinstance(part, ast.Attribute)}
    makers = [part for part in ast.walk(tree) if isinstance(part, ast.FunctionDef) and part.name in methods]
    assigned = [
        part.value
        for part in ast.walk(tree)
        if isinstance(part, ast.Assign) and any(isinstance(target, ast.Name) and target.id in names for target in part.targets)
    ]
    for root in (given, *makers, *assigned):
        for part in ast.walk(root):
            if isinstance(part, ast.Dict):
                yield from (key.value for key in part.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def test_a_main_is_short() -> None:
    long = [_name(path) for path in ROOT.glob("svc_*/__main__.py") if len(path.read_text().splitlines()) > 20]
    assert long == []


def test_no_module_outgrows_its_idea() -> None:
    grown = {_name(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 300 and "testing" not in path.parts}
    assert grown == {}


def test_no_room_is_called_by_a_word_that_says_nothing() -> None:
    vague = [_name(path) for path in SOURCES if path.stem in {"utils", "helpers", "manager", "misc", "data", "common"}]
    assert vague == []
