"""URLs of a cluster's tables: read, or refused with what is wrong and how to write them."""

from __future__ import annotations

import pytest

from mesh.settings import InvalidSetting
from mesh.stores.tables.cql.address import CqlAddress, parse_address


def test_the_shortest_url_takes_every_default() -> None:
    assert parse_address("scylla://one/clips") == CqlAddress(hosts=(("one", 9042),), keyspace="clips", replication=3)


def test_every_part_is_read() -> None:
    address = parse_address(
        "scylla://anna:p%40ss%2Fw@10.0.0.1:19042,[::1]:9043,two.example/clips?dc=eu-1&tls=1&ca=/etc/ca.pem&replication=5"
    )
    assert address == CqlAddress(
        hosts=(("10.0.0.1", 19042), ("::1", 9043), ("two.example", 9042)),
        keyspace="clips",
        user="anna",
        password="p@ss/w",
        data_centre="eu-1",
        tls=True,
        ca="/etc/ca.pem",
        replication=5,
    )
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("cassandra://one/clips", "the scheme is not scylla"),
        ("scylla://one", "the keyspace ''"),
        ("scylla://one/", "the keyspace ''"),
        ("scylla://one/Clips", "the keyspace 'Clips'"),
        ("scylla://one/clips/more", "the keyspace 'clips/more'"),
        ("scylla:///clips", "'' is no host"),
        ("scylla://one,,two/clips", "'' is no host"),
        ("scylla://o ne/clips", "'o ne' is no host"),
        ("scylla://one:0/clips", "'0' is no port"),
        ("scylla://one:65536/clips", "'65536' is no port"),
        ("scylla://one:x/clips", "'x' is no port"),
        ("scylla://anna@one/clips", "before the @ stand user:password"),
        ("scylla://:secret@one/clips", "before the @ stand user:password"),
        ("scylla://anna:secret@one/clips#x", "no fragment"),
        ("scylla://one/clips?replicas=3", "no option 'replicas'"),
        ("scylla://one/clips?dc=a&dc=b", "twice"),
        ("scylla://one/clips?dc", "not name=value"),
        ("scylla://one/clips?tls=yes", "tls='yes' is neither 0 nor 1"),
        ("scylla://one/clips?ca=/etc/ca.pem", "needs tls=1"),
        ("scylla://one/clips?replication=0", "replication='0' is not 1 to 9"),
        ("scylla://one/clips?replication=three", "replication='three' is not 1 to 9"),
    ],
)
def test_a_wrong_url_is_refused_by_name_and_in_one_line(url: str, what: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        parse_address(url)
    assert what in str(refused.value)
    assert "write scylla://[user:password@]host" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
