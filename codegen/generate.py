"""The one command of the contracts: formats, lints, compares with the last release and generates codegen/python, offline.

generate.py            formats the protos in place and replaces codegen/python
generate.py --check    writes nothing; names what is not formatted or not generated from the protos and ends with 1
generate.py --release  also makes the present protos the baseline that later ones may not break
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "codegen" / "python"
BASELINE = ROOT / "codegen" / "baseline.binpb"
IMPORTS = ROOT / "codegen" / ".build"


class StepFailed(Exception):
    """A step said no; its own output, already printed, tells why."""


def run(*command: str) -> None:
    """One step in the root of the repository, with the tools of this interpreter's environment before all others."""
    tools = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": tools + os.pathsep + os.environ.get("PATH", "")}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        raise StepFailed(" ".join(command))


def derive_imports() -> None:
    """Puts buf/validate/validate.proto where buf.yaml expects the second module."""
    run(sys.executable, "codegen/derive_validate.py", str(IMPORTS))


def compare_with_baseline() -> None:
    """Refuses a change that a peer of the last release could not read."""
    if not BASELINE.exists():
        raise StepFailed(f"{BASELINE.relative_to(ROOT)} is missing: generate.py --release makes it")
    try:
        run("buf", "breaking", "protos", "--exclude-imports", "--against", str(BASELINE))
    except StepFailed as failure:
        raise StepFailed(f"{failure}: only a release may change this, with generate.py --release") from failure


def write_baseline() -> None:
    """Our own files only, without comments: what a later version is compared with."""
    run("buf", "build", "protos", "--exclude-source-info", "-o", str(BASELINE))


def generate(folder: Path) -> None:
    """Writes every generated file below an empty folder."""
    run("buf", "generate", "--template", "codegen/buf.gen.yaml", "-o", str(folder))


def relative_files(folder: Path) -> set[str]:
    """The generated files below a folder; what Python caches beside them does not count."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.py*") if path.is_file() and path.suffix != ".pyc"}


def differing_files(fresh: Path, committed: Path) -> list[str]:
    """Names that one side lacks or that differ in a byte, sorted."""
    here, there = relative_files(fresh), relative_files(committed)
    changed = {name for name in here & there if not filecmp.cmp(fresh / name, committed / name, shallow=False)}
    return sorted((here ^ there) | changed)


def replace_generated(fresh: Path, committed: Path) -> list[str]:
    """Makes committed equal to fresh file by file, so that a process importing meanwhile never sees an empty folder."""
    names = differing_files(fresh, committed)
    for name in names:
        target = committed / name
        if (fresh / name).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            swap = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copyfile(fresh / name, swap)
            swap.replace(target)
        else:
            target.unlink()
    return names


def main() -> int:
    """Runs the steps in order and stops at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing, name the differences")
    mode.add_argument("--release", action="store_true", help="write the baseline of buf breaking")
    arguments = parser.parse_args()
    try:
        derive_imports()
        run("buf", "format", "protos", *(["--diff", "--exit-code"] if arguments.check else ["-w"]))
        run("buf", "lint")
        if arguments.release:
            write_baseline()
        compare_with_baseline()
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder))
            names = (differing_files if arguments.check else replace_generated)(Path(folder), GENERATED)
    except StepFailed as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    for name in names:
        print(f"{'differs' if arguments.check else 'wrote'}: codegen/python/{name}")
    return 1 if arguments.check and names else 0


if __name__ == "__main__":
    sys.exit(main())
