"""Parts of shared servers removed with the servers' own clients, after the test that had them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit

import redis as redis_driver
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from minio import Minio

_WITHIN_S = 60.0
_DROPPED_WITHIN_S = 120.0
"""A server drops the tables of a keyspace one after the other."""
_AT_ONCE = 8


def hosts(url: str) -> list[tuple[str, int]]:
    """The hosts of a URL with their ports."""
    named = (host.rpartition(":") for host in urlsplit(url).netloc.rpartition("@")[2].split(","))
    return [(host, int(port)) for host, _, port in named]


def cluster(cassandra_url: str) -> Cluster:
    """A connection with the driver alone."""
    found = hosts(cassandra_url)
    profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([host for host, _ in found]), request_timeout=_WITHIN_S)
    return Cluster([host for host, _ in found], port=found[0][1], execution_profiles={EXEC_PROFILE_DEFAULT: profile}, protocol_version=4)


def keyspaces_of(cassandra_url: str) -> list[str]:
    """The keyspaces whose names begin with that of the URL."""
    with cluster(cassandra_url) as connected, connected.connect() as session:
        rows = session.execute("SELECT keyspace_name FROM system_schema.keyspaces")
        return sorted(row.keyspace_name for row in rows if row.keyspace_name.startswith(urlsplit(cassandra_url).path[1:]))


def keyspaces(cassandra_url: str) -> None:
    """Drop the keyspaces whose names begin with that of the URL."""
    if names := keyspaces_of(cassandra_url):
        with cluster(cassandra_url) as connected, connected.connect() as session:
            for name in names:
                session.execute(f'DROP KEYSPACE "{name}"', timeout=_DROPPED_WITHIN_S)


def rows(cassandra_url: str) -> None:
    """Empty every table of the keyspaces whose names begin with that of the URL, save what says how they are made."""
    names = set(keyspaces_of(cassandra_url))
    with cluster(cassandra_url) as connected, connected.connect() as session:
        tables = session.execute("SELECT keyspace_name, table_name FROM system_schema.tables")
        filled = [
            f'"{row.keyspace_name}"."{row.table_name}"' for row in tables if row.keyspace_name in names and row.table_name != "_tables"
        ]
        for first in range(0, len(filled), _AT_ONCE):
            for emptying in [session.execute_async(f"TRUNCATE {table}", timeout=_WITHIN_S) for table in filled[first : first + _AT_ONCE]]:
                emptying.result()


@contextmanager
def admin(kafka_url: str) -> Iterator[AdminClient]:
    """A connection with the driver alone; its threads and what it was not answered yet end with it."""
    with AdminClient({"bootstrap.servers": ",".join(f"{host}:{port}" for host, port in hosts(kafka_url))}) as client:
        yield client


def topics_of(kafka_url: str) -> list[str]:
    """The topics whose names begin with the prefix of the URL, all without one."""
    prefix = parse_qs(urlsplit(kafka_url).query).get("prefix", [""])[0]
    with admin(kafka_url) as client:
        return sorted(name for name in client.list_topics(timeout=_WITHIN_S).topics if name.startswith(prefix))


def records_of(kafka_url: str, topic: str) -> int:
    """How many records were ever written to a topic."""
    with admin(kafka_url) as client:
        partitions = [TopicPartition(topic, number) for number in client.list_topics(topic, timeout=_WITHIN_S).topics[topic].partitions]
        ends = client.list_offsets({partition: OffsetSpec.latest() for partition in partitions})
        return sum(answer.result(_WITHIN_S).offset for answer in ends.values())


def topics(kafka_url: str) -> None:
    """Delete the topics whose names begin with the prefix of the URL."""
    if names := topics_of(kafka_url):
        with admin(kafka_url) as client:
            for answer in client.delete_topics(names, operation_timeout=_WITHIN_S).values():
                answer.result(_WITHIN_S)


def store(s3_url: str) -> tuple[Minio, str]:
    """A connection with the driver alone, and the bucket of the URL."""
    host, port = hosts(s3_url)[0]
    return Minio(f"{host}:{port}", *user(s3_url), secure=False), urlsplit(s3_url).path[1:]


def objects_of(s3_url: str) -> list[str]:
    """The keys of every object in the bucket, each version of it, and of every upload that nobody finished; none when there is no bucket."""
    client, name = store(s3_url)
    if not client.bucket_exists(name):
        return []
    kept = [str(one.object_name) for one in client.list_objects(name, recursive=True, include_version=True)]
    return kept + [str(upload.object_name) for upload in client._list_multipart_uploads(name).uploads]


def bucket(s3_url: str) -> None:
    """Remove the bucket with all that is in it."""
    client, name = store(s3_url)
    if client.bucket_exists(name):
        for upload in client._list_multipart_uploads(name).uploads:
            client._abort_multipart_upload(name, upload.object_name, upload.upload_id)
        for one in client.list_objects(name, recursive=True, include_version=True):
            client.remove_object(name, str(one.object_name), version_id=one.version_id)
        client.remove_bucket(name)


def database(redis_url: str) -> None:
    """Empty the database of the URL."""
    with redis_driver.Redis.from_url(redis_url) as connected:
        connected.flushdb()


def user(url: str) -> tuple[str, str]:
    """What stands before the @ of a URL."""
    name, _, secret = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    return unquote(name), unquote(secret)
