"""Breaks the code on purpose and expects a test to notice: `python tests/mutants/run.py [NAME ...]`.

Each `tests/mutants/*.patch` begins with `# test: <pytest node id>` and goes on as a unified diff against the tree. The tree is copied, the named
test has to pass there unpatched, and has to fail with the patch. Exit status 0 when every patch turned its test red, else 1.

Patches whose tests are in tests/servers need real servers: they run with `--servers`, which starts them once, with CLIPMESH_REQUIRE_SERVERS=1, or when
CLIPMESH_TEST_CASSANDRA, _S3, _KAFKA and _REDIS name some that run already; else they are left out, and named. Their tests kill no server.
"""

from __future__ import annotations

import argparse
import enum
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "# test: "
TEST_S = 300
"""Time limit of one run of a test, in seconds; a mutant that hangs is noticed too."""
REQUIRED = "CLIPMESH_REQUIRE_SERVERS"
SERVERS = {
    "cassandra": "CLIPMESH_TEST_CASSANDRA",
    "minio": "CLIPMESH_TEST_S3",
    "kafka": "CLIPMESH_TEST_KAFKA",
    "redis": "CLIPMESH_TEST_REDIS",
}
"""Name of each server -> the variable by which the tests find one that runs."""
_PASSED, _FAILED = 0, 1
"""Exit statuses of pytest; every other one says that the test did not run."""
_NOT_COPIED = frozenset(
    {".git", ".venv", ".tox", ".clipmesh", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules"}
)


class Outcome(enum.StrEnum):
    """What became of a mutant."""

    NOTICED = "noticed"
    SURVIVED = "SURVIVED"
    """The test passes with the code broken."""
    NOT_APPLIED = "DOES NOT APPLY"
    """The code moved on; the patch has to follow."""
    NOT_GREEN = "NOT GREEN UNBROKEN"
    """The test fails, or does not exist, without the patch."""
    NOT_RUN = "DOES NOT RUN"
    """With the patch the test cannot even be collected: that is no mutant but a typing error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One patch."""

    patch: Path
    test: str

    @property
    def name(self) -> str:
        """Without folder and ending."""
        return self.patch.stem

    @property
    def needs_servers(self) -> bool:
        """Whether its test runs on real servers."""
        return self.test.startswith("tests/servers/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the table."""

    mutant: Mutant
    outcome: Outcome
    took_s: float
    said: str = ""


class BadPatch(Exception):
    """A patch file that does not begin as it has to."""


def mutants_in(folder: Path, names: Sequence[str]) -> list[Mutant]:
    """Every patch, or those whose name contains one of the words. Raises BadPatch."""
    found = []
    for patch in sorted(folder.glob("*.patch")):
        if names and not any(name in patch.stem for name in names):
            continue
        first = patch.read_text(encoding="utf-8").partition("\n")[0]
        if not first.startswith(PREFIX):
            raise BadPatch(f"{patch.name} does not begin with '{PREFIX}<pytest node id>'")
        found.append(Mutant(patch=patch, test=first.removeprefix(PREFIX).strip()))
    return found


def files_of(root: Path) -> list[str]:
    """What belongs to the tree: what git tracks or would, else everything but what tools leave behind."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return sorted(name for name in set(listed.stdout.split("\0")) if name and (root / name).is_file())
    return sorted(str(path.relative_to(root)) for path in _walk(root))


def _walk(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if path.name in _NOT_COPIED:
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


class Copy:
    """A copy of the tree in which tests run against its own modules."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self.folder = folder
        for name in files_of(root):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
        paths = [str(folder), str(folder / "codegen" / "python")]
        # No bytecode: a module that is changed twice within a second would keep its first compilation.
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}

    def check_imports(self) -> None:
        """RuntimeError when modules come from anywhere but this copy: then every mutant would seem to survive."""
        packages = sorted(path.parent.name for path in self.folder.glob("*/__init__.py"))
        script = "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).__file__)"
        done = subprocess.run(
            [sys.executable, "-c", script, *packages], cwd="/", env=self._environment, capture_output=True, text=True, check=False
        )
        foreign = [line for line in done.stdout.splitlines() if not Path(line).is_relative_to(self.folder.resolve())]
        if done.returncode != 0 or foreign or not packages:
            raise RuntimeError(f"modules do not come from the copy: {foreign or done.stderr or 'there are none'}")

    def test(self, node: str) -> tuple[int, str]:
        """Exit status of one test and what it printed; a test that hangs has failed."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", node]
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=TEST_S, check=False
            )
        except subprocess.TimeoutExpired:
            return _FAILED, f"no end within {TEST_S} s"
        return done.returncode, done.stdout + done.stderr

    def apply(self, patch: Path) -> str:
        """Apply a patch; empty, or why it cannot be."""
        done = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", str(patch)],
            cwd=self.folder,
            env=_outside_git(),
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode == 0 else done.stderr.strip() or "git apply failed"

    def restore(self, patch: Path) -> None:
        """Bring back the files that a patch names."""
        for line in patch.read_text(encoding="utf-8").splitlines():
            if line.startswith("+++ "):
                name = line.split()[1].removeprefix("b/")
                if (self._root / name).is_file():
                    shutil.copy2(self._root / name, self.folder / name)


def _outside_git() -> dict[str, str]:
    """`git apply` leaves files of a surrounding repository alone unless they are tracked: let it see none."""
    return {**os.environ, "GIT_CEILING_DIRECTORIES": tempfile.gettempdir(), "GIT_DIR": os.devnull}


def may_start(options: argparse.Namespace) -> bool:
    """Whether real servers are asked for, or there already."""
    return bool(options.servers) or os.environ.get(REQUIRED) == "1" or all(map(os.environ.get, SERVERS.values()))


@contextmanager
def servers() -> Iterator[None]:
    """Those that the environment does not name are started, and named in it meanwhile; a test that would be skipped for want of one fails."""
    # Here alone: no other patch needs what starts servers.
    from devstack.servers.refusals import ServerRefused  # noqa: PLC0415
    from devstack.servers.running import Servers  # noqa: PLC0415

    before = dict(os.environ)
    missing = [name for name, variable in SERVERS.items() if not os.environ.get(variable)]
    with tempfile.TemporaryDirectory(prefix="cm-mutants-servers-") as temporary:
        started = Servers(Path(temporary), say=lambda words: print(words, flush=True))
        try:
            started.begin(missing)
            os.environ.update({SERVERS[name]: started[name].url for name in missing}, **{REQUIRED: "1"})
            yield
        except ServerRefused as refusal:
            sys.exit(f"a server cannot run here: {refusal}")
        finally:
            os.environ.clear()
            os.environ.update(before)
            started.stop()


def judge(copy: Copy, mutant: Mutant) -> Result:
    """Break the copy, run the test, mend the copy."""
    began = time.monotonic()
    try:
        problem = copy.apply(mutant.patch)
        if problem:
            return Result(mutant=mutant, outcome=Outcome.NOT_APPLIED, took_s=time.monotonic() - began, said=problem)
        status, said = copy.test(mutant.test)
    finally:
        copy.restore(mutant.patch)
    outcome = {_PASSED: Outcome.SURVIVED, _FAILED: Outcome.NOTICED}.get(status, Outcome.NOT_RUN)
    return Result(mutant=mutant, outcome=outcome, took_s=time.monotonic() - began, said="" if outcome is Outcome.NOTICED else said)


def run_all(root: Path, mutants: Sequence[Mutant], *, at_once: int) -> list[Result]:
    """Judge every mutant in copies of the tree, one copy for each that runs at the same time."""
    with tempfile.TemporaryDirectory(prefix="cm-mutants-") as temporary:
        copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
        for number in range(at_once):
            copy = Copy(root, Path(temporary).resolve() / str(number))
            copy.check_imports()
            copies.put(copy)

        def in_a_copy(mutant: Mutant, red: dict[str, str]) -> Result:
            if mutant.test in red:
                return _told(Result(mutant=mutant, outcome=Outcome.NOT_GREEN, took_s=0.0, said=red[mutant.test]))
            copy = copies.get()
            try:
                return _told(judge(copy, mutant))
            finally:
                copies.put(copy)

        def unbroken(test: str) -> tuple[str, str]:
            copy = copies.get()
            try:
                status, said = copy.test(test)
            finally:
                copies.put(copy)
            return test, "" if status == _PASSED else said

        with ThreadPoolExecutor(at_once) as pool:
            tests = sorted({mutant.test for mutant in mutants})
            print(f"{len(tests)} tests of {len(mutants)} mutants, first unbroken ...", flush=True)
            red = {test: said for test, said in pool.map(unbroken, tests) if said}
            return list(pool.map(lambda mutant: in_a_copy(mutant, red), mutants))


def _told(result: Result) -> Result:
    print(f"{result.outcome:<19} {result.took_s:6.1f} s  {result.mutant.name:<34} {result.mutant.test}", flush=True)
    return result


def main(arguments: Sequence[str], *, root: Path = ROOT) -> int:
    """Run what the command line names; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names of patches (default: all)")
    parser.add_argument("--servers", action="store_true", help="also run patches whose tests need real servers, and start these")
    parser.add_argument("--at-once", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="how many run at the same time")
    options = parser.parse_args(arguments)
    try:
        mutants = mutants_in(root / "tests" / "mutants", options.names)
    except BadPatch as error:
        print(error, file=sys.stderr)
        return 1
    if not mutants:
        print("there is no such patch", file=sys.stderr)
        return 1
    left_out = [] if may_start(options) else [mutant for mutant in mutants if mutant.needs_servers]
    mutants = [mutant for mutant in mutants if mutant not in left_out]
    with servers() if any(mutant.needs_servers for mutant in mutants) else nullcontext():
        results = run_all(root, mutants, at_once=max(1, options.at_once))
    wrong = [result for result in results if result.outcome is not Outcome.NOTICED]
    for result in wrong:
        print(f"\n{result.mutant.name}: {result.outcome}\n" + "\n".join(f"    {line}" for line in result.said.splitlines()[-12:]))
    print(f"\n{len(results) - len(wrong)} of {len(results)} mutants were noticed")
    if left_out:
        print(f"NOT TRIED, since they need real servers (--servers starts them): {', '.join(mutant.name for mutant in left_out)}")
    return 1 if wrong or (left_out and options.names) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
