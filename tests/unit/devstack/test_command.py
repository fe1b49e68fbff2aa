"""The command line refuses by name what this release has not, and then nothing was begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import __main__ as command
from devstack.engines import REBUILDS


def refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says when it refuses to begin."""
    monkeypatch.setattr("sys.argv", ["clipmesh", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", ["up", "demo"])
def test_distributed_engines_are_refused_with_every_store_that_lacks_one(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIPMESH_TABLES", "scylla://one,two/clipmesh")
    monkeypatch.delenv("CLIPMESH_BLOBS", raising=False)
    monkeypatch.delenv("CLIPMESH_EVENTS", raising=False)
    said = refused([verb, "--engines", "distributed", "--folder", str(tmp_path / "kept")], monkeypatch, capsys)
    assert said == (
        "clipmesh: --engines distributed: this release has no engine of scylla:// for CLIPMESH_TABLES (set), "
        "s3:// for CLIPMESH_BLOBS (not set), kafka:// for CLIPMESH_EVENTS (not set); leave it out for the embedded ones\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("store", ["search", "vectors", "graph", "cache", "counts"])
def test_a_store_that_cannot_be_rebuilt_says_why(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(["rebuild", store, "--folder", str(tmp_path / "kept")], monkeypatch, capsys)
    assert said == f"clipmesh: rebuild {store}: {REBUILDS[store]}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["up", "--engines", "quantum"], ["rebuild", "rome"], ["rebuild"]])
def test_unknown_words_are_answered_with_the_known_ones(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(arguments, monkeypatch, capsys)
    assert "distributed" in said or "counts" in said or "store" in said
