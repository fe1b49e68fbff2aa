"""Every hostile file gets its named reason or the right facts, in bounded time and memory, and nothing is left behind."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

import pytest

from svc_video.processing.media import MediaTools, RejectReason
from svc_video.processing.media.bounds import guarded_input
from tests.hostile.media.bombs import bombs
from tests.hostile.media.broken import broken
from tests.hostile.media.case import Case
from tests.hostile.media.disguises import disguises, secret_film
from tests.hostile.media.gauge import Gauged, gauge
from tests.hostile.media.shapes import shapes
from tests.hostile.media.times import times

MOST_CPU_S = 20.0 * 3
"""Three runs of the tool, each with its limit."""
MOST_MIB = 300_000_000 / 1024 / 1024
"""What a probe may keep resident, as the specification of hostile input has it."""
THEMES: dict[str, Callable[[Path], dict[str, Case]]] = {
    "disguises": disguises,
    "broken": lambda _: broken(),
    "shapes": lambda _: shapes(),
    "times": lambda _: times(),
    "bombs": lambda _: bombs(),
}

# Time limits of tests count seconds of a machine that others use too.
pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("theme", THEMES)
def test_every_hostile_file_gets_its_answer(tmp_path: Path, theme: str) -> None:
    assert _problems(tmp_path, theme, slow=False) == []


def test_the_arguments_of_every_call_refuse_disguises_by_themselves(tools: MediaTools, tmp_path: Path) -> None:
    """Without the look at the first bytes and without the forced kind of container, which the allow-list has to make up for."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(secret_film(secret))
    seen = []
    for name, case in disguises(secret).items():
        if case.reason != "UNSUPPORTED_CONTAINER":
            continue
        source = tmp_path / name
        source.write_bytes(case.write())
        arguments = guarded_input(source, "matroska", decoders=False)
        forced = arguments.index("-f")
        command = [tools.ffprobe, "-v", "error", "-show_streams", *arguments[:forced], *arguments[forced + 2 :]]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode == 0 or b"codec_name" in done.stdout:
            seen.append(name)
    assert seen == []


@pytest.mark.long
@pytest.mark.parametrize("theme", ["times", "bombs"])
def test_those_that_take_seconds_get_theirs_too(tmp_path: Path, theme: str) -> None:
    assert _problems(tmp_path, theme, slow=True) == []


def test_the_corpus_is_large_and_every_reason_is_in_it(tmp_path: Path) -> None:
    found = [THEMES[theme](tmp_path / "secret.mp4") for theme in THEMES]
    names = [name for cases in found for name in cases]
    assert len(names) == len(set(names)) >= 140
    assert {case.reason for cases in found for case in cases.values()} == {"", *RejectReason}


def _problems(folder: Path, theme: str, *, slow: bool) -> list[str]:
    secret = folder / "secret.mp4"
    secret.write_bytes(secret_film(secret))
    cases = {name: case for name, case in THEMES[theme](secret).items() if case.slow == slow}
    files = folder / "files"
    files.mkdir()
    for name, case in cases.items():
        (files / name).write_bytes(case.write())
    found = gauge(files, list(cases))
    assert sorted(path.name for path in files.iterdir()) == sorted(cases)
    assert {gauged.name for gauged in found} == set(cases)
    return [
        f"{gauged.name}: {problem}" for gauged in found for problem in (*_wrong(gauged, cases[gauged.name]), *_indiscreet(gauged, folder))
    ]


def _indiscreet(gauged: Gauged, folder: Path) -> list[str]:
    """What a refusal must not tell: where the worker keeps its files, which are below the same folder as what it must not open."""
    told = [part for part in (str(folder), gettempdir() + "/", "@ 0x") if part in gauged.detail]
    return [f"tells {told} in {gauged.detail!r}"] * bool(told or not gauged.detail.replace("\n", "").replace("\t", "").isprintable())


def _wrong(gauged: Gauged, case: Case) -> list[str]:
    problems = []
    facts = json.loads(gauged.facts or "{}")
    if gauged.reason != case.reason or case.says not in gauged.detail:
        problems.append(f"{gauged.reason or 'accepted'} ({gauged.detail}), not {case.reason or 'accepted'} {case.says}")
    problems += [f"{name} is {facts[name]!r}, not {value!r}" for name, value in case.facts.items() if facts and facts[name] != value]
    if gauged.cpu_s > MOST_CPU_S:
        problems.append(f"{gauged.cpu_s:.1f} CPU seconds")
    problems += [f"{peak:.0f} MiB of memory" for peak in (gauged.tool_peak_mib, gauged.own_peak_mib) if peak > MOST_MIB]
    return problems + [f"left {thing}" for thing in gauged.left]
