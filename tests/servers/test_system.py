"""The whole system on real servers, as a person starts it: what it was given is seen there with the servers' own clients, and nothing of it in the folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis as redis_driver

from devstack.clips import make_clip
from devstack.ports import free_port
from mesh.testing.folders import socket_folder
from tests.fixtures.children import child
from tests.servers import swept

COMMAND = (sys.executable, "-m", "devstack")
STORES = ("CLIPMESH_TABLES", "CLIPMESH_BLOBS", "CLIPMESH_EVENTS", "CLIPMESH_REDIS")


def environment(urls: Mapping[str, str]) -> dict[str, str]:
    """That of a person who exported these, with passwords that cost nothing."""
    inherited = {name: value for name, value in os.environ.items() if name not in STORES}
    return {**inherited, "CLIPMESH_TESTING": "1", "CLIPMESH_PASSWORD_MEMORY_KIB": "1024", **urls}


async def said(*arguments: str, urls: Mapping[str, str]) -> tuple[int, str]:
    """Exit status and words of a command that ends by itself."""
    pipe = asyncio.subprocess.PIPE
    async with child(*COMMAND, *arguments, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment(urls)) as process:
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()


@pytest.fixture(scope="session")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fewest clips that viewers can swipe between, as small as clips may be."""
    folder = tmp_path_factory.mktemp("clips")
    for number in (1, 2):
        make_clip(folder / f"clip{number}.mp4", seed=number, duration_s=16.0, width=126, height=224, fps=30)
    return folder


@pytest.mark.timeout(400)
async def test_the_demo_passes_on_real_servers_and_they_have_its_rows_objects_and_topics(
    own_cassandra_url: str, own_s3_url: str, own_kafka_url: str, own_redis_url: str, two_clips: Path
) -> None:
    urls = dict(zip(STORES, (own_cassandra_url, own_s3_url, own_kafka_url, own_redis_url), strict=True))
    with socket_folder() as folder:
        where = ("--folder", str(folder), "--port", str(free_port()), "--videos", str(two_clips))
        status, words = await said("demo", "--exit", "--json", "--engines", "distributed", *where, urls=urls)
        assert status == 0, words
        summary = json.loads(words)
        assert (summary["ok"], summary["published"], summary["refused"]) == (True, 2, {})
        assert all(check["ok"] for check in summary["checks"])
        kept = sorted(part.name for part in folder.iterdir())
        assert {"tables", "blobs", "redis"}.isdisjoint(kept)
        assert not list(folder.rglob("*.db"))

    # What is counted in the Redis goes by itself soon.
    for variable in reversed(STORES):
        await asyncio.to_thread(LOOKS[variable], urls[variable])


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("variable", STORES)
async def test_the_demo_passes_with_any_one_store_on_a_server(
    variable: str, own_cassandra_url: str, own_s3_url: str, own_kafka_url: str, own_redis_url: str, two_clips: Path
) -> None:
    urls = dict(zip(STORES, (own_cassandra_url, own_s3_url, own_kafka_url, own_redis_url), strict=True))
    with socket_folder() as folder:
        where = ("--folder", str(folder), "--port", str(free_port()), "--videos", str(two_clips))
        status, words = await said("demo", "--exit", "--json", *where, urls={variable: urls[variable]})
        assert status == 0, words
        summary = json.loads(words)
        assert (summary["ok"], summary["published"], summary["refused"]) == (True, 2, {})
        kept = {part.name for part in folder.iterdir()} & {"tables", "blobs", "redis"}
        assert kept == {"tables", "blobs", "redis"} - {variable.removeprefix("CLIPMESH_").lower()}
    look = _look_at_keys_and_streams if variable == "CLIPMESH_REDIS" else LOOKS[variable]
    await asyncio.to_thread(look, urls[variable])


def _look_at_tables(url: str) -> None:
    """Both clips are rows of the video service, public and ready; every service has a keyspace of its own."""
    beginning = urlsplit(url).path[1:]
    assert swept.keyspaces_of(url) == [f"{beginning}_{service}" for service in ("feed", "rights", "social", "sound", "video")]
    with swept.cluster(url) as connected, connected.connect() as session:
        clips = list(session.execute(f"SELECT * FROM {beginning}_video.creator_videos"))
        people = list(session.execute(f"SELECT * FROM {beginning}_social.accounts"))
    assert len(clips) >= 2
    assert len(people) >= 3


def _look_at_objects(url: str) -> None:
    """Sources and playlists are objects of the bucket."""
    names = swept.objects_of(url)
    assert len([name for name in names if name.endswith(".m3u8")]) >= 4
    assert len([name for name in names if name.startswith("raw/")]) == 2


def _look_at_topics(url: str) -> None:
    """Each owner's topic is there under the prefix, and that of video has records."""
    prefix = parse_qs(urlsplit(url).query)["prefix"][0]
    topics = [name.removeprefix(prefix).lstrip(".-") for name in swept.topics_of(url)]
    assert {"video", "social", "sound", "rights", "feed", "keys"} <= set(topics)
    assert sum(swept.records_of(url, topic) for topic in swept.topics_of(url) if topic.endswith("video")) >= 6


def _look_at_keys(url: str) -> None:
    """Rate limits are counted in the Redis, and no stream is kept there."""
    kinds = _kinds_of_keys(url)
    assert kinds
    assert b"stream" not in kinds


def _look_at_keys_and_streams(url: str) -> None:
    """Where no other stream is named, events are on the same Redis."""
    assert {b"stream", b"string"} <= _kinds_of_keys(url)


def _kinds_of_keys(url: str) -> set[bytes]:
    with redis_driver.Redis.from_url(url) as client:
        return {client.type(key) for key in client.scan_iter(count=1_000)}


LOOKS = dict(zip(STORES, (_look_at_tables, _look_at_objects, _look_at_topics, _look_at_keys), strict=True))


@pytest.mark.timeout(200)
async def test_the_stores_that_are_set_are_used_and_the_others_are_embedded(own_s3_url: str, own_redis_url: str) -> None:
    urls = {"CLIPMESH_BLOBS": own_s3_url, "CLIPMESH_REDIS": own_redis_url}
    pipe = asyncio.subprocess.PIPE
    with socket_folder() as folder:
        arguments = ("up", "--folder", str(folder), "--port", str(free_port()))
        async with child(*COMMAND, *arguments, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment(urls)) as process:
            assert process.stdout is not None
            seen = b""
            while b"Ctrl-C stops it" not in seen:
                line = await process.stdout.readline()
                assert line, seen.decode()
                seen += line
            told = await _healthy(folder)
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 30) == 0
        redis_shown = own_redis_url.partition("?")[0]
        assert told["keepers"] == {
            "tables": "embedded",
            "blobs": f"s3://{urlsplit(own_s3_url).netloc.rpartition('@')[2]}{urlsplit(own_s3_url).path}",
            "events": f"streams on {redis_shown}",
            "redis": redis_shown,
        }
        assert "redis" not in [process["name"] for process in told["processes"]]
        assert {group["group"] for group in told["groups"]} >= {"feed.videos", "sound.uses", "video.verdicts"}
        assert sorted(part.stem for part in (folder / "tables").glob("*.db")) == ["feed", "rights", "social", "sound", "video"]
        secret = swept.user(own_s3_url)[1]
        assert not [file for file in (folder / "run").rglob("*") if file.is_file() and secret in file.read_text(errors="replace")]


async def _healthy(folder: Path) -> dict[str, Any]:
    """What `clipmesh status` tells once all is well."""
    async with asyncio.timeout(30):
        while True:
            status, words = await said("status", "--folder", str(folder), "--json", urls={})
            if status == 0:
                told: dict[str, Any] = json.loads(words)
                return told


async def test_parts_that_the_store_never_joins_are_refused_before_anybody_sends_one(own_s3_url: str) -> None:
    urls = {"CLIPMESH_BLOBS": own_s3_url, "CLIPMESH_UPLOAD_PART_BYTES": "262144", "CLIPMESH_UPLOAD_MAX_BYTES": "67108864"}
    with socket_folder() as folder:
        status, words = await said("up", "--folder", str(folder), "--port", str(free_port()), urls=urls)
    assert status == 2
    assert "CLIPMESH_UPLOAD_PART_BYTES=262144 is too small" in words
    assert "Traceback" not in words


@pytest.mark.parametrize("variable", ["CLIPMESH_TABLES", "CLIPMESH_BLOBS", "CLIPMESH_EVENTS"])
async def test_a_store_that_refuses_us_is_named_and_nothing_goes_on_running(variable: str) -> None:
    urls = {
        "CLIPMESH_TABLES": {"CLIPMESH_TABLES": "scylla://127.0.0.1:9042/Not-A-Keyspace"},
        "CLIPMESH_BLOBS": {"CLIPMESH_BLOBS": "s3://127.0.0.1:9000"},
        "CLIPMESH_EVENTS": {"CLIPMESH_EVENTS": "kafka://127.0.0.1:9092?partitions=none"},
    }[variable]
    with socket_folder() as folder:
        status, words = await said("up", "--folder", str(folder), "--port", str(free_port()), urls=urls)
    assert status == 2
    assert variable in words
    assert "Traceback" not in words
