"""`clipmesh jobs` as people type it: the words of an operator's page in every order that they may have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack import jobs
from devstack.__main__ import _parser

Asked = list[tuple[list[int], bool]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What was asked of a system that runs: which clips, and whether as a whole."""
    found: Asked = []

    @asynccontextmanager
    async def channels(_: Path) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(stub=lambda *_: None)

    async def redo(_: object, video_ids: Sequence[int], *, whole: bool) -> int:
        found.append((list(video_ids), whole))
        return 0

    monkeypatch.setattr(jobs, "operator_channels", channels)
    monkeypatch.setattr(jobs, "redo", redo)
    return found


@pytest.mark.parametrize(
    ("words", "ids", "whole"),
    [
        ("redo", [], False),
        ("redo 5", [5], False),
        ("redo 5 6", [5, 6], False),
        ("redo --whole 5", [5], True),
        ("redo --whole 5 6", [5, 6], True),
        ("redo 5 --whole", [5], True),
        ("redo 5 --whole 6", [5, 6], True),
    ],
)
async def test_clips_are_named_before_or_behind_the_option(asked: Asked, tmp_path: Path, words: str, ids: list[int], whole: bool) -> None:
    assert await jobs.run(tmp_path, _parser().parse_args(["jobs", *words.split()])) == 0
    assert asked == [(ids, whole)]


@pytest.mark.parametrize("words", ["redo --whole", "--whole", "list --whole 5"])
async def test_a_whole_needs_clips_and_redo(asked: Asked, tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await jobs.run(tmp_path, _parser().parse_args(["jobs", *words.split()])) == 2
    assert capsys.readouterr().err == "clipmesh: --whole needs redo and the videos\n"
    assert asked == []


@pytest.mark.parametrize("words", ["redo --whole none", "redo x"])
def test_what_is_no_id_is_refused_by_name(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _parser().parse_args(["jobs", *words.split()])
    assert ended.value.code == 2
    assert f"'{words.rsplit(maxsplit=1)[-1]}' is no id of a video" in capsys.readouterr().err
