"""Applies each patch of this folder to a copy of the tree and expects the test it names to fail.

    python tests/mutants/run.py             every patch
    python tests/mutants/run.py grant seen  those whose names contain a word

A patch begins with `# test: NODE`, the pytest node that has to go red; a unified diff for `git apply` follows. Every named test is first run on the
unchanged copy: a test that fails anyway would prove nothing. Ends with 1 when a mutant survives, a patch does not apply or a test is red without it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TEST_S = 300
_MARK = "# test: "


@dataclass(frozen=True)
class Mutant:
    """One patch."""

    name: str
    test: str
    patch: Path


def read(patch: Path) -> Mutant:
    """The mutant of a patch file. ValueError when it names no test."""
    first = patch.read_text().split("\n", 1)[0]
    if not first.startswith(_MARK):
        raise ValueError(f"{patch.name} does not begin with {_MARK!r}")
    return Mutant(patch.stem, first.removeprefix(_MARK).strip(), patch)


def copy_tree(to: Path) -> None:
    """Every file that git tracks or would track."""
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def apply(copy: Path, mutant: Mutant, *, reverse: bool = False) -> bool:
    """Patch the copy, or take the patch back."""
    command = ["git", "apply", *(["--reverse"] if reverse else []), str(mutant.patch)]
    return subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode == 0


def passes(copy: Path, test: str) -> bool:
    """Whether a test passes in the copy: modules come from the copy, not from an installed checkout."""
    paths = os.pathsep.join((str(copy), str(copy / "codegen" / "python")))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", test]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TEST_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{test} did not run (pytest says {done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def judge(copy: Path, mutant: Mutant, sound: dict[str, bool]) -> str:
    """One word about a mutant: killed, SURVIVED, DOES NOT APPLY or RED ANYWAY."""
    if mutant.test not in sound:
        sound[mutant.test] = passes(copy, mutant.test)
    if not sound[mutant.test]:
        return "RED ANYWAY"
    if not apply(copy, mutant):
        return "DOES NOT APPLY"
    try:
        return "SURVIVED" if passes(copy, mutant.test) else "killed"
    finally:
        if not apply(copy, mutant, reverse=True):
            raise RuntimeError(f"{mutant.name} cannot be taken back")


def main(words: list[str]) -> int:
    """Judge the chosen mutants, one line each."""
    mutants = [read(patch) for patch in sorted(HERE.glob("*.patch"))]
    chosen = [mutant for mutant in mutants if not words or any(word in mutant.name for word in words)]
    sound: dict[str, bool] = {}
    bad = 0
    with tempfile.TemporaryDirectory(prefix="clipmesh-mutants-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        for mutant in chosen:
            began = time.monotonic()
            try:
                word = judge(copy, mutant, sound)
            except RuntimeError as error:
                word = f"BROKEN: {error}"
            bad += word != "killed"
            print(f"{mutant.name:<32} {time.monotonic() - began:6.1f} s  {word}", flush=True)
    print(f"{len(chosen) - bad} passed, {bad} failed")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
