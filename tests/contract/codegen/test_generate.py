"""The committed code is what the protos generate, and the command refuses what it promises to refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.codegen.conftest import ROOT, run_generate

HINT = "protos/clipmesh/common/v1/envelope.proto"
VERSION_FIELD = "  // version grows with every change of the key; 0 means unknown.\n  int64 version = 3;\n"

Edit = Callable[[str, str, str], None]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that the command could touch."""
    kept = (path for path in folder.rglob("*") if path.is_file() and not {".build", "__pycache__"} & set(path.parts))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def test_the_repository_is_formatted_linted_compatible_and_generated() -> None:
    result = run_generate(ROOT, "--check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_check_names_files_that_differ_and_writes_nothing(checkout: Path, edit: Edit) -> None:
    edit(HINT, VERSION_FIELD, VERSION_FIELD + "  // note is new.\n  string note = 4;\n")
    before = contents(checkout)
    result = run_generate(checkout, "--check")
    assert result.returncode == 1
    generated = "codegen/python/clipmesh/common/v1/envelope_pb2.py"
    assert result.stdout.splitlines() == [f"differs: {generated}", f"differs: {generated}i"]
    assert contents(checkout) == before


def test_check_names_files_without_a_proto_and_missing_ones(checkout: Path) -> None:
    generated = checkout / "codegen/python/clipmesh/common/v1"
    (generated / "permit_pb2.pyi").rename(generated / "gone_pb2.pyi")
    result = run_generate(checkout, "--check")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [f"differs: codegen/python/clipmesh/common/v1/{name}_pb2.pyi" for name in ("gone", "permit")]


def test_generate_makes_the_folder_equal_again(checkout: Path) -> None:
    before = contents(checkout)
    generated = checkout / "codegen/python/clipmesh/common/v1"
    (generated / "permit_pb2.pyi").rename(generated / "gone_pb2.pyi")
    assert run_generate(checkout).returncode == 0
    assert contents(checkout) == before


def test_a_field_may_not_leave_the_wire_without_a_release(checkout: Path, edit: Edit) -> None:
    edit(HINT, VERSION_FIELD, "")
    before = contents(checkout)
    result = run_generate(checkout)
    assert result.returncode == 1
    assert 'Previously present field "3" with name "version" on message "ChangeHint" was deleted' in result.stdout
    assert "only a release may change this" in result.stderr
    assert contents(checkout) == before


def test_a_release_moves_the_baseline(checkout: Path, edit: Edit) -> None:
    edit(HINT, VERSION_FIELD, "")
    assert run_generate(checkout, "--release").returncode == 0
    assert run_generate(checkout, "--check").returncode == 0


def test_a_missing_baseline_is_refused(checkout: Path) -> None:
    (checkout / "codegen/baseline.binpb").unlink()
    result = run_generate(checkout)
    assert result.returncode == 1
    assert "codegen/baseline.binpb is missing" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("  // version grows with every change of the key; 0 means unknown.\n", "", 'Field "version" should have a non-empty comment'),
        ("int64 version = 3;", "int64 Version = 3;", 'Field name "Version" should be lower_snake_case'),
    ],
)
def test_lint_refuses(checkout: Path, edit: Edit, old: str, new: str, rule: str) -> None:
    edit(HINT, old, new)
    before = contents(checkout)
    result = run_generate(checkout, "--check")
    assert result.returncode == 1
    assert rule in result.stdout
    assert contents(checkout) == before


def test_check_refuses_what_is_not_formatted(checkout: Path, edit: Edit) -> None:
    edit(HINT, "  int64 version = 3;", "  int64   version = 3;")
    result = run_generate(checkout, "--check")
    assert result.returncode == 1
    assert "-  int64   version = 3;" in result.stdout
