"""One environment for all processes, each with its own secrets."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from devstack.keys import NAMED, PROCESSES, make_keys
from devstack.layout import SERVICES, Layout
from mesh.secrets import Secrets


def test_every_process_gets_the_same_addresses_and_its_own_secrets(tmp_path: Path) -> None:
    layout = Layout(folder=tmp_path, port=8090)
    environments = {name: layout.environment(name) for name in (*SERVICES, "gateway", "worker-1")}
    own = {"CLIPMESH_SECRETS", "CLIPMESH_METRICS", "CLIPMESH_NODE"}
    shared = [{key: value for key, value in each.items() if key not in own} for each in environments.values()]
    assert all(each == shared[0] for each in shared)
    assert shared[0]["CLIPMESH_VIDEO_ADDRESS"] == "unix:run/video.sock"
    assert shared[0]["CLIPMESH_ORIGIN"] == "http://127.0.0.1:8090"
    assert environments["worker-1"]["CLIPMESH_SECRETS"] == environments["video"]["CLIPMESH_SECRETS"] == "run/secrets/video.json"
    assert len({each["CLIPMESH_NODE"] for each in environments.values()}) == len(environments)
    assert len({each["CLIPMESH_METRICS"] for each in environments.values()}) == len(environments)


def test_settings_win_over_what_is_computed_and_that_over_what_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMESH_TABLES", "scylla://elsewhere/keyspace")
    monkeypatch.setenv("CLIPMESH_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    environment = Layout(folder=tmp_path, settings={"CLIPMESH_PORT": "1"}).environment("video")
    assert environment["CLIPMESH_TABLES"] == f"sqlite:///{tmp_path / 'tables'}"
    assert environment["CLIPMESH_LOG_LEVEL"] == "DEBUG"
    assert environment["CLIPMESH_PORT"] == "1"
    assert "SOMETHING_ELSE" not in environment


def test_keys_are_made_once_and_each_process_knows_only_what_it_needs(tmp_path: Path) -> None:
    make_keys(tmp_path)
    before = {name: (tmp_path / f"{name}.json").read_bytes() for name in PROCESSES}
    make_keys(tmp_path)
    assert {name: (tmp_path / f"{name}.json").read_bytes() for name in PROCESSES} == before
    for name in PROCESSES:
        assert stat.S_IMODE((tmp_path / f"{name}.json").stat().st_mode) == 0o600
        content = json.loads(before[name])
        assert set(content["named"]) == {label for label, readers in NAMED.items() if name in readers}
        assert all(len(base64.b64decode(value)) == 32 for value in content["named"].values())
    gateway, video = (Secrets.load(str(tmp_path / f"{name}.json")) for name in ("gateway", "video"))
    assert video.verify("gateway", b"words", gateway.sign(b"words"))
    assert not video.verify("feed", b"words", gateway.sign(b"words"))
    assert gateway.named("blob_url_key") == video.named("blob_url_key")
