"""The descriptors of our protos and a checkout that tests may break."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

ROOT = Path(__file__).resolve().parents[3]
GENERATED = ROOT / "codegen" / "python"


def run_generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the one command in a checkout."""
    command = [sys.executable, str(root / "codegen" / "generate.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)


@pytest.fixture(scope="session")
def files() -> list[FileDescriptor]:
    """Every proto file of ours, as the generated code carries it."""
    names = sorted(path.relative_to(GENERATED).with_suffix("") for path in (GENERATED / "clipmesh").rglob("*_pb2.py"))
    return [importlib.import_module(".".join(name.parts)).DESCRIPTOR for name in names]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of protos and codegen as they are committed."""
    shutil.copyfile(ROOT / "buf.yaml", tmp_path / "buf.yaml")
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copytree(ROOT / "codegen", tmp_path / "codegen", ignore=shutil.ignore_patterns(".build", "__pycache__"))
    return tmp_path


@pytest.fixture
def edit(checkout: Path) -> Callable[[str, str, str], None]:
    """Replaces a text that stands exactly once in a file of the checkout."""

    def replace(name: str, old: str, new: str) -> None:
        path = checkout / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace
