"""Size of the wheel and of what it installs, and how long pip takes to put it into an empty folder, against plainly unpacking the same file."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from bench import plain
from bench.outcome import Outcome, Side, Skipped, ratio, value
from bench.plan import Plan
from bench.turns import Turn, in_turns, timed

WHEELS = "CLIPMESH_WHEELS"
"""A folder made by `pip download`, from which pip installs everything without a network."""
OURS, OTHER = "pip", "unzip"
_ROOT = Path(__file__).resolve().parents[1]
_MIB = 2**20


async def run(plan: Plan) -> Outcome:
    """The wheel is made anew; nothing is fetched. With a folder of wheels its dependencies are installed too."""
    wheels = os.environ.get(WHEELS, "")
    wheel = await build(plan.folder / "wheel", wheels)
    trial = await in_turns("wheel", sides_of(wheel, plan.folder), repetitions=plan.size(5, 1))
    times = {name: Side(name=name, unit="s", samples=tuple(run.wall_s for run in trial.runs[name])) for name in (OURS, OTHER)}
    size = Side(name="wheel", unit="MiB", samples=(wheel.stat().st_size / _MIB,))
    unpacked = Side(name="unpacked", unit="MiB", samples=(_size_of(plan.folder / "unzipped") / _MIB,))
    figures = [value("wheel", size), value("wheel, unpacked", unpacked), ratio("time of the wheel alone", times[OURS], times[OTHER])]
    notes = ["Bytecode is compiled on neither side."]
    if wheels:
        whole = await in_turns("everything", {OURS: _everything(wheel, wheels, plan.folder / "all")}, repetitions=plan.size(3, 1))
        figures.append(value("with dependencies", Side(name=OURS, unit="s", samples=tuple(run.wall_s for run in whole.runs[OURS]))))
        figures.append(value("with dependencies", Side(name=OURS, unit="MiB", samples=(_size_of(plan.folder / "all") / _MIB,))))
        notes.append(f"Dependencies come from {wheels}, no network and no pip cache.")
    else:
        needed = await asyncio.to_thread(closure, "clipmesh")
        size_of_all = sum(_installed_bytes(name) for name in needed) / _MIB
        figures.append(
            value(f"the {len(needed)} dependencies, as installed here", Side(name="installed", unit="MiB", samples=(size_of_all,)))
        )
        notes.append(f"To time an installation with dependencies name a folder of wheels in {WHEELS}; docs/bench.md says how to make it.")
    pip = metadata.version("pip")
    return Outcome(figures=figures, trials=[trial], sources=[f"{wheel.name}, pip {pip}, Python {sys.version.split()[0]}"], notes=notes)


async def build(folder: Path, wheels: str = "") -> Path:
    """The wheel of this source tree. Raises Skipped where that needs a network, PlainToolFailed."""
    if not (_ROOT / "pyproject.toml").is_file():
        raise Skipped("needs the source tree; this is an installed package")
    if wheels:
        how = ["--no-index", "--find-links", wheels]
    elif importlib.util.find_spec("hatchling") is not None:
        how = ["--no-build-isolation"]
    else:
        raise Skipped(f"needs hatchling, in this environment or in the folder that {WHEELS} names")
    await asyncio.to_thread(folder.mkdir)
    await _pip("wheel", "--no-deps", *how, "--wheel-dir", str(folder), str(_ROOT), folder=folder)
    (wheel,) = await asyncio.to_thread(lambda: list(folder.glob("*.whl")))
    return wheel


def sides_of(wheel: Path, folder: Path) -> dict[str, Turn]:
    """pip and a plain unpacking of one wheel; both have to leave the same files of its packages."""
    installed, unzipped = folder / "installed", folder / "unzipped"

    async def install() -> None:
        await asyncio.to_thread(shutil.rmtree, installed, ignore_errors=True)
        await _pip("install", "--no-deps", "--no-index", "--no-compile", "--target", str(installed), str(wheel), folder=folder)

    async def unzip() -> None:
        await asyncio.to_thread(shutil.rmtree, unzipped, ignore_errors=True)
        await asyncio.to_thread(_unzip, wheel, unzipped)

    return {
        OURS: timed(install, lambda: asyncio.to_thread(modules, installed)),
        OTHER: timed(unzip, lambda: asyncio.to_thread(modules, unzipped)),
    }


def _everything(wheel: Path, wheels: str, folder: Path) -> Turn:
    async def install() -> None:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await _pip(
            "install", "--no-index", "--find-links", wheels, "--no-compile", "--target", str(folder), str(wheel), folder=folder.parent
        )

    async def work() -> str:
        return "clipmesh and its dependencies"

    return timed(install, work)


async def _pip(*arguments: str, folder: Path) -> None:
    quiet = ("--disable-pip-version-check", "--no-input", "--no-cache-dir", "--quiet")
    await plain.run([sys.executable, "-m", "pip", *arguments, *quiet], folder=folder)


def _unzip(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def modules(folder: Path) -> str:
    """Files below a folder but those that tell of an installation, and their bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not _tells(path.relative_to(folder))]
    return f"{len(paths)} files, {sum(path.stat().st_size for path in paths)} bytes"


def _tells(path: Path) -> bool:
    return path.parts[0].endswith(".dist-info") or path.parts[0] == "bin"


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def closure(name: str) -> set[str]:
    """The distributions that one needs here, without itself and without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for line in metadata.requires(waiting.pop()) or ():
            needed = _name(line)
            if "extra ==" in line or needed in found or not _is_here(needed):
                continue
            found.add(needed)
            waiting.append(needed)
    return found - {name}


def _installed_bytes(name: str) -> int:
    return sum(path.stat().st_size for file in metadata.files(name) or () if (path := Path(str(file.locate()))).is_file())


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower().replace("_", "-")


def _is_here(name: str) -> bool:
    """A requirement of another system is not installed."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
