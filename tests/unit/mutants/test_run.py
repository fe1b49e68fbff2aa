"""The mutants runner tells a noticed break from one that survives, and from patches that prove nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]

CODE = "def double(number: int) -> int:\n    return number * 2\n"
TESTS = (
    "from house import double\n\n\n"
    "def test_of_two() -> None:\n    assert double(2) == 4\n\n\n"
    "def test_of_nothing() -> None:\n    assert double(0) == 0\n\n\n"
    "def test_that_is_red() -> None:\n    assert double(1) == 3\n"
)


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants_run", ROOT / "tests" / "mutants" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").write_text(CODE)
    (tmp_path / "tests" / "mutants").mkdir(parents=True)
    (tmp_path / "tests" / "test_house.py").write_text(TESTS)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "large").write_text("not copied")
    return tmp_path


def add(tree: Path, name: str, test: str, line: str, *, old: str = "    return number * 2") -> None:
    hunk = f"@@ -1,2 +1,2 @@\n def double(number: int) -> int:\n-{old}\n+{line}\n"
    text = f"# test: tests/test_house.py::{test}\n--- a/house/__init__.py\n+++ b/house/__init__.py\n{hunk}"
    (tree / "tests" / "mutants" / f"{name}.patch").write_text(text)


@pytest.mark.timeout(120)
def test_each_mutant_is_told_by_what_became_of_it(runner: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(tree, "adds", "test_of_two", "    return number + 3")
    add(tree, "survivor", "test_of_nothing", "    return number * 5")
    add(tree, "outdated", "test_of_two", "    return number * 5", old="    return number * 7")
    add(tree, "red", "test_that_is_red", "    return number * 5")
    add(tree, "typo", "test_of_two", "    return number *")
    assert runner.main([], root=tree) == 1
    told = capsys.readouterr().out
    for name, outcome in (
        ("survivor", "SURVIVED"),
        ("outdated", "DOES NOT APPLY"),
        ("red", "NOT GREEN UNBROKEN"),
        ("typo", "DOES NOT RUN"),
    ):
        assert f"{name}: {outcome}" in told
    assert "1 of 5 mutants were noticed" in told
    assert (tree / "house" / "__init__.py").read_text() == CODE


@pytest.mark.timeout(120)
def test_when_every_break_is_noticed_all_is_well(runner: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(tree, "adds", "test_of_two", "    return number + 3")
    add(tree, "outdated", "test_of_two", "    return number * 5", old="    return number * 7")
    assert runner.main(["adds"], root=tree) == 0
    assert "1 of 1 mutants were noticed" in capsys.readouterr().out


@pytest.mark.timeout(120)
def test_what_needs_servers_is_left_out_loudly_unless_they_are_asked_for(
    runner: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (runner.REQUIRED, *runner.SERVERS.values()):
        monkeypatch.delenv(variable, raising=False)
    add(tree, "adds", "test_of_two", "    return number + 3")
    patch = tree / "tests" / "mutants" / "far.patch"
    patch.write_text((tree / "tests" / "mutants" / "adds.patch").read_text().replace("tests/test_house.py", "tests/servers/test_house.py"))
    assert runner.main([], root=tree) == 0
    assert "NOT TRIED, since they need real servers (--servers starts them): far" in capsys.readouterr().out
    assert runner.main(["far"], root=tree) == 1
    for variable in runner.SERVERS.values():
        monkeypatch.setenv(variable, "somewhere")
    assert runner.main(["far"], root=tree) == 1
    assert "far: NOT GREEN UNBROKEN" in capsys.readouterr().out


def test_a_patch_without_its_test_and_a_name_that_is_none_are_refused(
    runner: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["nothing"], root=tree) == 1
    (tree / "tests" / "mutants" / "nameless.patch").write_text("--- a/house/__init__.py\n")
    assert runner.main([], root=tree) == 1
    told = capsys.readouterr().err
    assert "there is no such patch" in told
    assert "nameless.patch does not begin with" in told


def test_modules_from_elsewhere_are_found_out(runner: ModuleType, tree: Path, tmp_path: Path) -> None:
    copy = runner.Copy(tree, tmp_path / "copy")
    assert not (copy.folder / ".venv").exists()
    copy.check_imports()
    copy._environment["PYTHONPATH"] = str(tree)
    with pytest.raises(RuntimeError, match="do not come from the copy"):
        copy.check_imports()
