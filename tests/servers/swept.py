"""Parts of shared servers removed with the servers' own clients, after the test that had them."""

from __future__ import annotations

import functools
from urllib.parse import parse_qs, unquote, urlsplit

import redis as redis_driver
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

_WITHIN_S = 30.0


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
                session.execute(f'DROP KEYSPACE "{name}"')


def admin(kafka_url: str) -> AdminClient:
    """A connection with the driver alone, kept: its answers end with it."""
    return _admin(",".join(f"{host}:{port}" for host, port in hosts(kafka_url)))


@functools.cache
def _admin(brokers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": brokers})


def topics_of(kafka_url: str) -> list[str]:
    """The topics whose names begin with the prefix of the URL, all without one."""
    prefix = parse_qs(urlsplit(kafka_url).query).get("prefix", [""])[0]
    return sorted(name for name in admin(kafka_url).list_topics(timeout=_WITHIN_S).topics if name.startswith(prefix))


def records_of(kafka_url: str, topic: str) -> int:
    """How many records were ever written to a topic."""
    partitions = [
        TopicPartition(topic, number) for number in admin(kafka_url).list_topics(topic, timeout=_WITHIN_S).topics[topic].partitions
    ]
    ends = admin(kafka_url).list_offsets({partition: OffsetSpec.latest() for partition in partitions})
    return sum(answer.result(_WITHIN_S).offset for answer in ends.values())


def topics(kafka_url: str) -> None:
    """Delete the topics whose names begin with the prefix of the URL."""
    if names := topics_of(kafka_url):
        for answer in admin(kafka_url).delete_topics(names, operation_timeout=_WITHIN_S).values():
            answer.result(_WITHIN_S)


def database(redis_url: str) -> None:
    """Empty the database of the URL."""
    with redis_driver.Redis.from_url(redis_url) as connected:
        connected.flushdb()


def user(url: str) -> tuple[str, str]:
    """What stands before the @ of a URL."""
    name, _, secret = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    return unquote(name), unquote(secret)
