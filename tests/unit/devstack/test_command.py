"""The command line refuses by name what this release has not, and then nothing was begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import __main__ as command
from devstack import engines
from devstack.engines import REBUILDS, Engines
from devstack.stores import told
from devstack.system import StartRefused
from mesh.stores.redis_url import RedisUrl


def refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says when it refuses to begin."""
    monkeypatch.setattr("sys.argv", ["clipmesh", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    return capsys.readouterr().err


VARIABLES = ("CLIPMESH_TABLES", "CLIPMESH_BLOBS", "CLIPMESH_EVENTS", "CLIPMESH_REDIS")
URLS = {
    "CLIPMESH_TABLES": "scylla://one,two/clipmesh?dc=here",
    "CLIPMESH_BLOBS": "s3://key:secret@store/clips",
    "CLIPMESH_EVENTS": "kafka://anna:secret@one:9092,two:9092",
    "CLIPMESH_REDIS": "redis://:secret@cache:6379/0",
}


@pytest.mark.parametrize("verb", ["up", "demo"])
def test_distributed_engines_are_refused_with_every_store_that_has_no_url(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CLIPMESH_TABLES", "scylla://one,two/clipmesh")
    said = refused([verb, "--engines", "distributed", "--folder", str(tmp_path / "kept")], monkeypatch, capsys)
    assert said == (
        "clipmesh: --engines distributed: not set: CLIPMESH_BLOBS (s3://key:secret@host/bucket), "
        "CLIPMESH_EVENTS (kafka://host:9092, or empty for streams on CLIPMESH_REDIS), CLIPMESH_REDIS (redis://host:6379/0); "
        "`clipmesh servers` starts servers for a try\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "driver"), [("CLIPMESH_TABLES", "cassandra"), ("CLIPMESH_BLOBS", "minio"), ("CLIPMESH_EVENTS", "confluent_kafka")]
)
def test_a_driver_that_is_not_installed_is_named_with_the_command_that_brings_it(
    variable: str, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, URLS[variable])
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == driver else object())
    said = refused(["up", "--folder", str(tmp_path / "kept")], monkeypatch, capsys)
    shown = {
        "CLIPMESH_TABLES": "scylla://one,two/clipmesh",
        "CLIPMESH_BLOBS": "s3://store/clips",
        "CLIPMESH_EVENTS": "kafka://one:9092,two:9092",
    }
    assert said == f"clipmesh: {variable}={shown[variable]} needs a driver that is not installed: pip install 'clipmesh[cluster]'\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "url", "refusal"),
    [
        (None, "cassandra://one/clipmesh", "CLIPMESH_TABLES=cassandra://one/clipmesh names no server: write scylla://host/keyspace"),
        (None, "nothing", "CLIPMESH_TABLES=nothing names no server: write scylla://host/keyspace"),
        (Engines.DISTRIBUTED, "sqlite:////rows", "CLIPMESH_TABLES=sqlite:////rows names no server: write scylla://host/keyspace"),
    ],
)
def test_a_url_that_names_no_engine_is_refused(option: Engines | None, url: str, refusal: str) -> None:
    with pytest.raises(StartRefused) as refused:
        engines.chosen(option, {**URLS, "CLIPMESH_TABLES": url})
    assert str(refused.value) == refusal


@pytest.mark.parametrize("verb", ["up", "demo"])
@pytest.mark.parametrize(
    ("variable", "url", "refusal"),
    [
        ("CLIPMESH_TABLES", "scylla://a:hidden@one:x/clipmesh", "CLIPMESH_TABLES cannot be read: 'x' is no port; write scylla://["),
        ("CLIPMESH_TABLES", "scylla://one/clipmesh?replicas=3", "CLIPMESH_TABLES cannot be read: "),
        ("CLIPMESH_BLOBS", "s3://key:hidden@store", "CLIPMESH_BLOBS=s3://store... names no host or no bucket: use s3://["),
        ("CLIPMESH_BLOBS", "s3://key:hidden@[::1/clips", "CLIPMESH_BLOBS=s3://... is no URL (Invalid IPv6 URL): use s3://["),
        (
            "CLIPMESH_BLOBS",
            "s3://key:hidden@store/clips?public=http://[::1",
            "CLIPMESH_BLOBS=s3://store...: public='http://[::1' is no URL",
        ),
        ("CLIPMESH_EVENTS", "kafka://one?partitions=none", "CLIPMESH_EVENTS=kafka://one: partitions=none has to be a whole number"),
        ("CLIPMESH_EVENTS", "kafka://anna:hidden@[::1", "CLIPMESH_EVENTS=kafka://...: Invalid IPv6 URL; write kafka://["),
        ("CLIPMESH_REDIS", "redis://:hidden@one,two/0", "CLIPMESH_REDIS='redis://***@one,two/0' has to name one host: redis://host:6379/0"),
        ("CLIPMESH_REDIS", "redis://:hidden@[::1/0", "CLIPMESH_REDIS=redis://... is no URL (Invalid IPv6 URL); write redis://host:6379/0"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_in_one_line_before_anything_is_made(
    verb: str, variable: str, url: str, refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in VARIABLES:
        monkeypatch.setenv(other, URLS[other])
    monkeypatch.setenv(variable, url)
    monkeypatch.setattr(engines, "find_spec", lambda _: object())
    said = refused([verb, "--engines", "distributed", "--folder", str(tmp_path / "kept")], monkeypatch, capsys)
    assert said.startswith(f"clipmesh: {refusal}")
    assert said.count("\n") == 1
    assert "hidden" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://h:1/0", "redis+sentinel://h:1,i:1/first", "rediss+sentinel://h:1,i:1/first"])
def test_every_way_to_a_redis_that_services_know_can_be_given_to_the_command(url: str) -> None:
    assert RedisUrl.parse(url).hosts
    assert engines.chosen(None, {"CLIPMESH_REDIS": url}) == {"CLIPMESH_REDIS": url}


def test_the_stores_that_are_set_are_used_and_the_others_are_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: object())
    assert engines.chosen(Engines.DISTRIBUTED, URLS) == engines.chosen(None, URLS) == URLS
    assert engines.chosen(Engines.EMBEDDED, URLS) == engines.chosen(None, {}) == engines.chosen(None, dict.fromkeys(VARIABLES, "")) == {}
    mixed = {"CLIPMESH_REDIS": "unix:run/redis.sock", "CLIPMESH_BLOBS": URLS["CLIPMESH_BLOBS"], "CLIPMESH_EVENTS": ""}
    assert engines.chosen(None, mixed) == {"CLIPMESH_REDIS": "unix:run/redis.sock", "CLIPMESH_BLOBS": URLS["CLIPMESH_BLOBS"]}
    on_redis = {**URLS, "CLIPMESH_EVENTS": ""}
    assert "CLIPMESH_EVENTS" not in engines.chosen(Engines.DISTRIBUTED, on_redis)


def test_what_keeps_a_store_is_told_without_its_password() -> None:
    assert told({}) == dict.fromkeys(("tables", "blobs", "events", "redis"), "embedded")
    assert told(URLS) == {
        "tables": "scylla://one,two/clipmesh",
        "blobs": "s3://store/clips",
        "events": "kafka://one:9092,two:9092",
        "redis": "redis://cache:6379/0",
    }
    assert told({"CLIPMESH_REDIS": "redis://:secret@cache/0"})["events"] == "streams on redis://cache/0"


@pytest.mark.parametrize("store", ["search", "vectors", "graph", "cache", "counts"])
def test_a_store_that_cannot_be_rebuilt_says_why(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(["rebuild", store, "--folder", str(tmp_path / "kept")], monkeypatch, capsys)
    assert said == f"clipmesh: rebuild {store}: {REBUILDS[store]}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["up", "--engines", "quantum"], ["rebuild", "rome"], ["rebuild"], ["servers", "mongo"]])
def test_unknown_words_are_answered_with_the_known_ones(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(arguments, monkeypatch, capsys)
    assert "distributed" in said or "counts" in said or "store" in said or "kafka" in said
