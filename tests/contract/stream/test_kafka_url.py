"""What a `kafka://` URL may say, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.events.stream import StreamSettings
from mesh.events.stream.kafka.names import Names
from mesh.events.stream.kafka.url import KafkaUrl, parse
from mesh.settings import InvalidSetting


def test_hosts_alone_are_enough() -> None:
    url = parse("kafka://one:9093,two")
    assert url == KafkaUrl(servers=("one:9093", "two:9092"))
    assert url.connection() == {"bootstrap.servers": "one:9093,two:9092", "security.protocol": "PLAINTEXT"}
    assert url.settings(StreamSettings(partitions=3, retention_ms=5)) == StreamSettings(partitions=3, retention_ms=5)


def test_everything_can_be_said(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    url = parse(f"kafka://me:p%40ss%3A@h:1?tls=1&ca={ca}&prefix=try-1&partitions=12&replication=3&retention_hours=2&sasl=scram-sha-512")
    assert url.connection() == {
        "bootstrap.servers": "h:1",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(ca),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "p@ss:",
    }
    assert (url.prefix, url.replication) == ("try-1", 3)
    assert url.settings(StreamSettings()) == StreamSettings(partitions=12, retention_ms=7_200_000)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("kafka://", "no host:port"),
        ("kafka://h:0", "no host:port"),
        ("kafka://h:x", "no host:port"),
        ("kafka://h,", "no host:port"),
        ("kafka://h/topic", "write kafka://"),
        ("kafka://user@h", "user and password belong together"),
        ("kafka://h?tls=yes", "tls=yes has to be 0 or 1"),
        ("kafka://h?ca=/x", "ca= needs tls=1"),
        ("kafka://h?tls=1&ca=/does/not/exist", "is no file"),
        ("kafka://h?prefix=a.b", "prefix='a.b'"),
        ("kafka://h?partitions=0", "partitions=0 has to be"),
        ("kafka://h?partitions=2000", "from 1 to 1,024"),
        ("kafka://h?replication=-1", "replication=-1 has to be"),
        ("kafka://h?retention_hours=1.5", "retention_hours=1.5 has to be"),
        ("kafka://h?sasl=GSSAPI", "is none of PLAIN"),
        ("kafka://h?partitions=2&partitions=3", "stands there twice"),
        ("kafka://h?topics=2", "topics= is not known"),
        ("kafka://h?tls", "cannot be read"),
    ],
)
def test_a_mistake_is_told_in_one_line(url: str, named: str) -> None:
    with pytest.raises(InvalidSetting) as told:
        parse(url)
    assert named in str(told.value)
    assert "CLIPMESH_EVENTS" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("url", ["kafka://me:hidden@h:x", "kafka://me:hidden@h?tls=2", "kafka://me:hidden@h/t"])
def test_a_password_is_never_told(url: str) -> None:
    with pytest.raises(InvalidSetting) as told:
        parse(url)
    assert "hidden" not in str(told.value)
    assert "hidden" not in str(parse("kafka://me:hidden@h"))


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", "x" * 181])
def test_names_that_kafka_does_not_take_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="to be a name in Kafka"):
        Names("clipmesh").topic(name)
