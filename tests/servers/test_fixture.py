"""The servers that these tests stand on are real, answer their own clients, and come back where they were with what they had acknowledged."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis as redis_driver
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import NewTopic
from minio import Minio

from devstack.servers.server import Server
from tests.servers import swept
from tests.servers.shared import REQUIRED, RunningServers

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(180)


def killed_and_started(server: Server) -> None:
    """What a crash does to a server."""
    before, url = server.pid, server.url
    server.kill()
    assert server.pid == 0
    server.start()
    assert server.pid not in {0, before}
    assert server.url == url


@pytest.mark.long
@pytest.mark.timeout(300)
def test_cassandra_keeps_its_rows(servers: RunningServers) -> None:
    server = servers.another("cassandra", durable=True)
    with swept.cluster(server.url) as connected, connected.connect() as session:
        session.execute("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        session.execute("CREATE TABLE k.t (id int PRIMARY KEY, v int)")
        for number in range(200):
            session.execute("INSERT INTO k.t (id, v) VALUES (%s, %s)", (number, number * 2))
        assert session.execute("UPDATE k.t SET v = 1 WHERE id = 1 IF v = 2").was_applied
    killed_and_started(server)
    with swept.cluster(server.url) as connected, connected.connect() as session:
        rows = {row.id: row.v for row in session.execute("SELECT id, v FROM k.t")}
    assert rows == {**{number: number * 2 for number in range(200)}, 1: 1}


def test_minio_keeps_its_objects(servers: RunningServers, own_s3_url: str) -> None:
    bucket = urlsplit(own_s3_url).path[1:]
    host, port = swept.hosts(own_s3_url)[0]
    client = Minio(f"{host}:{port}", *swept.user(own_s3_url), secure=False)
    client.make_bucket(bucket)
    for number in range(20):
        client.put_object(bucket, f"o/{number}", io.BytesIO(bytes([number]) * 1000), 1000)
    killed_and_started(servers["minio"])
    assert sorted(entry.object_name for entry in client.list_objects(bucket, recursive=True)) == sorted(f"o/{n}" for n in range(20))
    answer = client.get_object(bucket, "o/7")
    try:
        assert answer.read() == bytes([7]) * 1000
    finally:
        answer.close()
        answer.release_conn()


def test_kafka_keeps_its_records(servers: RunningServers, own_kafka_url: str) -> None:
    topic = f"{urlsplit(own_kafka_url).query.removeprefix('prefix=')}.numbers"
    brokers = urlsplit(own_kafka_url).netloc
    with swept.admin(own_kafka_url) as client:
        client.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True, "linger.ms": 0})
    delivered: list[int] = []
    for number in range(100):
        producer.produce(
            topic, str(number).encode(), on_delivery=lambda error, _, number=number: error is None and delivered.append(number)
        )
    assert producer.flush(30) == 0
    assert delivered == list(range(100))
    killed_and_started(servers["kafka"])
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    read: list[int] = []
    deadline = time.monotonic() + 60
    while len(read) < 100 and time.monotonic() < deadline:
        read += [int(message.value()) for message in consumer.consume(100, 1.0) if not message.error()]
    consumer.close()
    assert read == list(range(100))
    assert swept.topics_of(own_kafka_url) == [topic]


def test_redis_keeps_its_keys(servers: RunningServers, own_redis_url: str) -> None:
    with redis_driver.Redis.from_url(own_redis_url) as client:
        assert client.keys() == []
        for number in range(100):
            client.set(f"k{number}", number)
    killed_and_started(servers["redis"])
    with redis_driver.Redis.from_url(own_redis_url) as client:
        assert sorted(map(int, client.mget(client.keys()))) == list(range(100))


def test_a_keyspace_of_a_test_is_gone_after_it(cassandra_url: str, own_cassandra_url: str) -> None:
    with swept.cluster(own_cassandra_url) as connected, connected.connect() as session:
        name = f"{urlsplit(own_cassandra_url).path[1:]}_video"
        session.execute(f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
    assert swept.keyspaces_of(own_cassandra_url) == [name]
    swept.keyspaces(own_cassandra_url)
    assert swept.keyspaces_of(own_cassandra_url) == []
    assert "system" in swept.keyspaces_of(urlsplit(cassandra_url)._replace(path="/").geturl())


def test_servers_end_when_the_run_that_started_them_is_killed(tmp_path: Path, redis_url: str) -> None:
    keeper = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from devstack.servers.running import Servers\n"
        "servers = Servers(Path(sys.argv[1]))\n"
        "servers.begin(['redis'])\n"
        "print(servers['redis'].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", keeper, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert _runs(pid)
        process.send_signal(signal.SIGKILL)
    _until(lambda: not _runs(pid))


@pytest.mark.parametrize(
    ("required", "status", "words"), [("", 0, "1 skipped"), ("1", 1, "CLIPMESH_REQUIRE_SERVERS=1, and kafka cannot run here")]
)
def test_a_server_that_cannot_run_is_told_loudly(required: str, status: int, words: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CLIPMESH_TEST_"))}
    command = (sys.executable, "-m", "pytest", "-q", f"{__file__}::{test_kafka_keeps_its_records.__name__}")
    environment = {**own, "JAVA_HOME": "/nowhere", REQUIRED: required}
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=120)
    assert run.returncode == status, run.stdout
    assert words in run.stdout
    assert "NOT TESTED: kafka" in run.stdout
    assert "no java in JAVA_HOME=/nowhere, and version 17 or later is needed: install Java 17" in run.stdout


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)
