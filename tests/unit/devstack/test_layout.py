"""One environment for all processes, each with its own secrets."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from devstack.doors import Doors
from devstack.keys import NAMED, PROCESSES, BrokenKeys, make_keys
from devstack.layout import SERVICES, Layout, serving
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


def test_several_instances_share_a_name_and_secrets_and_each_listens_for_itself(tmp_path: Path) -> None:
    layout = Layout(folder=tmp_path, instances=2)
    assert layout.served[:4] == ("rights", "rights-2", "social", "social-2")
    first, second, worker, gateway = (layout.environment(name) for name in ("video", "video-2", "worker-1", "gateway"))
    assert {each["CLIPMESH_VIDEO_ADDRESS"] for each in (first, second, worker, gateway)} == {"unix:run/video.sock,unix:run/video-2.sock"}
    assert [each.get("CLIPMESH_LISTEN") for each in (first, second, worker, gateway)] == [
        "unix:run/video.sock",
        "unix:run/video-2.sock",
        None,
        None,
    ]
    assert first["CLIPMESH_SECRETS"] == second["CLIPMESH_SECRETS"]
    assert (first["CLIPMESH_NODE"], second["CLIPMESH_NODE"]) == ("video", "video-2")
    ports = Layout(folder=tmp_path, tls=True, instances=2, addresses={"video": "127.0.0.1:7001", "video-2": "127.0.0.1:7002"})
    assert ports.environment("video-2")["CLIPMESH_VIDEO_ADDRESS"] == "127.0.0.1:7001,127.0.0.1:7002"
    assert ports.environment("video-2")["CLIPMESH_LISTEN"] == "127.0.0.1:7002"
    assert ports.environment("video-2")["CLIPMESH_TLS_CERT"] == "run/certs/video.pem"
    assert serving(["redis", "social", "social-2", "video", "worker-1", "gateway"]) == ("social", "social-2", "video")
    assert serving(["redis", "all", "worker-1"]) == SERVICES
    doors = Doors.of(tmp_path, addresses={}, processes=("video", "video-2", "feed"))
    assert doors.by_service() == {
        "video": f"unix:{tmp_path}/run/video.sock,unix:{tmp_path}/run/video-2.sock",
        "feed": f"unix:{tmp_path}/run/feed.sock",
    }


def test_settings_win_over_what_is_computed_and_that_over_what_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMESH_TABLES", "scylla://elsewhere/keyspace")
    monkeypatch.setenv("CLIPMESH_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    environment = Layout(folder=tmp_path, settings={"CLIPMESH_PORT": "1"}).environment("video")
    assert environment["CLIPMESH_TABLES"] == f"sqlite:///{tmp_path / 'tables'}"
    assert environment["CLIPMESH_LOG_LEVEL"] == "DEBUG"
    assert environment["CLIPMESH_PORT"] == "1"
    assert "SOMETHING_ELSE" not in environment


def test_stores_elsewhere_are_named_to_every_process_and_need_no_folder(tmp_path: Path) -> None:
    urls = {"CLIPMESH_TABLES": "scylla://one/clipmesh", "CLIPMESH_REDIS": "redis://cache:6379/0"}
    layout = Layout(folder=tmp_path / "kept", stores=urls)
    for name in (*SERVICES, "gateway", "worker-1"):
        environment = layout.environment(name)
        assert {variable: environment[variable] for variable in urls} == urls
        assert environment["CLIPMESH_BLOBS"] == f"file://{tmp_path / 'kept' / 'blobs'}"
        assert environment["CLIPMESH_EVENTS"] == ""
    assert not layout.own_redis
    assert Layout(folder=tmp_path).own_redis
    layout.prepare()
    assert sorted(part.name for part in (tmp_path / "kept").iterdir()) == ["blobs", "run", "scratch"]


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
    assert Secrets.load(str(tmp_path / "video.json")).verify("operator", b"w", Secrets.load(str(tmp_path / "operator.json")).sign(b"w"))
    gateway, video = (Secrets.load(str(tmp_path / f"{name}.json")) for name in ("gateway", "video"))
    assert video.verify("gateway", b"words", gateway.sign(b"words"))
    assert not video.verify("feed", b"words", gateway.sign(b"words"))
    assert gateway.named("blob_url_key") == video.named("blob_url_key")


def test_a_process_that_is_new_gets_its_keys_and_the_others_keep_theirs(tmp_path: Path) -> None:
    """Rows are sealed with the keys of a folder that an earlier release made."""
    make_keys(tmp_path)
    (tmp_path / "operator.json").unlink()
    before = {}
    for name in PROCESSES[:-1]:
        file = tmp_path / f"{name}.json"
        content = json.loads(file.read_text())
        del content["peers"]["operator"]
        file.write_text(json.dumps(content))
        before[name] = content
    make_keys(tmp_path)
    for name, content in before.items():
        after = json.loads((tmp_path / f"{name}.json").read_text())
        assert {part: after[part] for part in ("private_key", "named")} == {part: content[part] for part in ("private_key", "named")}
        assert {peer: after["peers"][peer] for peer in content["peers"]} == content["peers"]
    operator = Secrets.load(str(tmp_path / "operator.json"))
    assert Secrets.load(str(tmp_path / "social.json")).verify("operator", b"words", operator.sign(b"words"))


def test_keys_that_cannot_be_read_are_never_replaced(tmp_path: Path) -> None:
    make_keys(tmp_path)
    (tmp_path / "social.json").write_text("{")
    (tmp_path / "operator.json").unlink()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(BrokenKeys, match=r"social\.json cannot be read"):
        make_keys(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
