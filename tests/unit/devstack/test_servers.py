"""Servers are fetched whole or not at all, start on ports of their own, and say what they lack."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.ports import HIGHEST, LOWEST, free_ports, is_free
from devstack.servers import keeper as keeping
from devstack.servers import tools
from devstack.servers.cache import VARIABLE, Cache, cache_folder
from devstack.servers.cassandra import Cassandra
from devstack.servers.kafka import Kafka
from devstack.servers.keeper import Keeper
from devstack.servers.maven import fetch_jars
from devstack.servers.minio import Minio
from devstack.servers.recipe import Place
from devstack.servers.refusals import FetchFailed, MissingTool, NotReady
from devstack.servers.running import RECIPES, Servers
from devstack.servers.tools import find_go, find_java, find_maven


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()
    yield keeper
    keeper.close()


def program(folder: Path, name: str, script: str) -> Path:
    """A program that does what the shell script says."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def nothing(_: Path) -> None:
    raise AssertionError("it was fetched before")


def test_what_was_fetched_is_fetched_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert not cache.holds("one-1.0")
    place = cache.folder("one-1.0", lambda folder: (folder / "jar").write_text("whole") and None)
    assert (place, (place / "jar").read_text()) == (tmp_path / "cache" / "one-1.0", "whole")
    assert cache.holds("one-1.0")
    assert cache.folder("one-1.0", nothing) == place


def test_what_an_interrupted_fetch_left_is_never_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def interrupted(folder: Path) -> None:
        (folder / "first").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.folder("one-1.0", interrupted)
    # One that was killed could not clear up.
    (tmp_path / ".one-1.0.partial-dead").mkdir()
    (tmp_path / ".one-1.0.partial-dead" / "first").write_text("half")
    assert not cache.holds("one-1.0")

    place = cache.folder("one-1.0", lambda folder: (folder / "second").write_text("whole") and None)
    assert [file.name for file in place.iterdir()] == ["second"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [".one-1.0.lock", "one-1.0"]


def test_two_runs_fetch_the_same_thing_once(tmp_path: Path) -> None:
    fetched: list[Path] = []

    def slowly(folder: Path) -> None:
        fetched.append(folder)
        time.sleep(0.2)
        (folder / "jar").write_text("whole")

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(Cache(tmp_path).folder("one-1.0", slowly))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert found == [tmp_path / "one-1.0"] * 4


def test_a_cache_that_cannot_be_written_is_named_with_the_variable_that_moves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    assert cache_folder() == tmp_path / "file" / "cache"
    with pytest.raises(FetchFailed, match=f"file/cache cannot be used .*{VARIABLE}"):
        Cache().folder("one-1.0", nothing)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "clipmesh" / "servers"


def test_a_missing_program_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(tools, "JAVAS", tmp_path / "jvm")
    for find, words in (
        (find_java, "no java on PATH, and version 17"),
        (find_maven, "no mvn on PATH: install"),
        (find_go, "no go on PATH: install"),
    ):
        with pytest.raises(MissingTool, match=words):
            find()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    with pytest.raises(MissingTool, match=f"no java in JAVA_HOME={tmp_path}/java"):
        find_java()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("no idea", 0),
    ],
)
def test_the_java_is_that_of_java_home_and_of_a_version_that_fits(
    said: str, version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = program(tmp_path / "java" / "bin", "java", f"echo '{said}' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    if version < 17:
        with pytest.raises(MissingTool, match=f"is Java {version}, and version 17 or later is needed"):
            find_java()
    else:
        assert (find_java().binary, find_java().version) == (binary, version)
    if version == 25:
        with pytest.raises(MissingTool, match="is Java 25, and version 17 to 23 is needed"):
            find_java(newest=23)


def test_another_java_of_the_machine_serves_where_that_of_the_path_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path", "java", "echo 'openjdk version \"25\"' >&2")
    fits = program(tmp_path / "jvm" / "java-17" / "bin", "java", "echo 'openjdk version \"17.0.1\"' >&2")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    monkeypatch.setattr(tools, "JAVAS", tmp_path / "jvm")
    assert find_java().version == 25
    assert find_java(newest=23).binary == fits


def test_a_package_client_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> None:
    program(tmp_path / "bin", "mvn", "echo 'cannot resolve the jar'; exit 1")
    program(tmp_path / "bin", "go", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    cache = Cache(tmp_path / "cache")
    with pytest.raises(FetchFailed, match=r"mvn ended with status 1; is the package registry reachable\?\n  cannot resolve the jar"):
        cache.folder("kafka-1", lambda folder: fetch_jars(("a:b:1",), folder, keeper=keeper))
    with pytest.raises(FetchFailed, match="go ended well and built no minio"):
        Minio().fetch(cache, keeper)
    assert not any(cache.root.glob("*-*/")) or not (cache.holds("kafka-1") or Minio().fetched(cache))


def test_a_package_client_that_hangs_ends_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> None:
    hangs = program(tmp_path, "mvn", f"sleep 60 & echo $! > {tmp_path}/pid; wait")
    monkeypatch.setattr(keeping, "FETCH_S", 1.0)
    with pytest.raises(FetchFailed, match="mvn did not end within 1 s"):
        keeper.fetch((str(hangs),), folder=tmp_path, log=tmp_path / "log")
    pid = int((tmp_path / "pid").read_text())
    _until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


def test_nothing_is_started_once_all_is_stopped(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    servers.stop()
    with pytest.raises(NotReady, match="being stopped"):
        servers.another("redis")
    servers.stop()


def test_ports_are_free_different_and_never_given_to_a_client() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(LOWEST <= port < HIGHEST and is_free(port) for port in ports)
    assert not set(ports) & set(free_ports(50))
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    assert not ephemeral.exists() or int(ephemeral.read_text().split()[0]) >= HIGHEST


def test_a_server_comes_back_on_its_port_with_its_data_and_moves_when_the_port_is_taken(tmp_path: Path) -> None:
    def ask(port: int, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(command)
            return connection.recv(100)

    servers = Servers(tmp_path)
    try:
        servers.begin(["redis"])
        redis, other = servers["redis"], servers.another("redis")
        assert {redis.place.folder, other.place.folder} == {tmp_path / "redis", tmp_path / "redis-2"}
        assert redis.port != other.port
        assert ask(redis.port, b"SET k kept\r\n") == b"+OK\r\n"
        pid, url = redis.pid, redis.url
        redis.kill()
        assert (redis.pid, redis.recipe.answers(redis.port)) == (0, False)
        redis.start()
        assert redis.pid not in {0, pid}
        assert (redis.url, ask(redis.port, b"GET k\r\n")) == (url, b"$4\r\nkept\r\n")
        assert ask(other.port, b"GET k\r\n") == b"$-1\r\n"
        again = redis.pid
        redis.start()
        assert redis.pid == again
        assert redis.stop()
        assert redis.pid == 0
    finally:
        servers.stop()
    assert (other.pid, redis.pid) == (0, 0)

    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", redis.port))
        squatter.listen()
        later = Servers(tmp_path)
        try:
            later.begin(["redis"])
            assert later["redis"].port != redis.port
            assert ask(later["redis"].port, b"GET k\r\n") == b"$4\r\nkept\r\n"
        finally:
            later.stop()


def test_a_server_that_ends_at_once_says_so_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMESH_REDIS_SERVER", str(program(tmp_path, "broken", "echo 'no such library'; exit 3")))
    servers = Servers(tmp_path / "kept")
    try:
        servers.begin(["redis"])
        with pytest.raises(NotReady, match=r"redis ended with status 3; see .*server\.log\n  no such library"):
            servers["redis"]
    finally:
        servers.stop()


def test_every_kind_of_server_has_a_setting_and_a_url_of_its_own() -> None:
    assert {name: recipe.variable for name, recipe in RECIPES.items()} == {
        "cassandra": "CLIPMESH_TABLES",
        "minio": "CLIPMESH_BLOBS",
        "kafka": "CLIPMESH_EVENTS",
        "redis": "CLIPMESH_REDIS",
    }
    assert [recipe.url(20_000).partition(":")[0] for recipe in RECIPES.values()] == ["scylla", "s3", "kafka", "redis"]


@pytest.mark.parametrize(("durable", "sync", "unsafe"), [(True, "batch", "false"), (False, "periodic", "true")])
def test_a_durable_cassandra_syncs_before_it_acknowledges(
    durable: bool, sync: str, unsafe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: Keeper
) -> None:
    program(tmp_path / "java" / "bin", "java", "echo 'openjdk version \"21.0.1\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    cache = Cache(tmp_path / "cache")
    (cache.root / f"cassandra-{Cassandra().version}").mkdir(parents=True)
    place = Place(folder=tmp_path / "a folder", ports=(20_001, 20_002), durable=durable)
    command = Cassandra().command(place, cache=cache, keeper=keeper)
    assert f"-Dcassandra.unsafesystem={unsafe}" in command.arguments
    assert f"-Dcassandra.config=file://{tmp_path}/a%20folder/conf/cassandra.yaml" in command.arguments
    assert "-Djava.security.manager=allow" in command.arguments
    assert f'"commitlog_sync": "{sync}"' in (tmp_path / "a folder" / "conf" / "cassandra.yaml").read_text()


def test_a_kafka_is_formatted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> None:
    place = Place(folder=tmp_path / "kafka", ports=(20_001, 20_002), durable=False)
    place.folder.mkdir()
    formats = f'case "$*" in *StorageTool*) mkdir {tmp_path}/kafka/data; echo once > {tmp_path}/kafka/data/meta.properties;; *) echo \'openjdk version "17"\' >&2;; esac'
    program(tmp_path / "java" / "bin", "java", formats)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    cache = Cache(tmp_path / "cache")
    (cache.root / f"kafka-{Kafka().version}").mkdir(parents=True)
    for _ in range(2):
        # A second format would fail: the folder is there.
        command = Kafka().command(place, cache=cache, keeper=keeper)
    assert command.arguments[-2:] == ("kafka.Kafka", str(tmp_path / "kafka" / "server.properties"))
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:20001\n" in (tmp_path / "kafka" / "server.properties").read_text()


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)
