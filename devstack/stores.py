"""The stores of a system that a URL chooses: which engines there are, and how a URL is shown to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mesh.events.stream.kafka.url import parse as parse_kafka
from mesh.stores.blobs.s3.address import read_address
from mesh.stores.redis_url import RedisUrl
from mesh.stores.tables.cql.address import parse_address

EMBEDDED: Final = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One store."""

    variable: str
    server: str
    """How the URL of a server looks."""
    drivers: Mapping[str, str]
    """Schemes of servers, and the module of the extra that each needs; empty for one that is always there."""
    read: Callable[[str], object]
    """Reads the URL of a server without asking it. Raises InvalidSetting."""
    embedded: str = ""
    """The scheme of what is no server."""
    may_be_empty: bool = False
    """True when an empty URL means something."""


STORES: Final[Mapping[str, Store]] = {
    "tables": Store(
        variable="CLIPMESH_TABLES", server="scylla://host/keyspace", drivers={"scylla": "cassandra"}, read=parse_address, embedded="sqlite"
    ),
    "blobs": Store(
        variable="CLIPMESH_BLOBS", server="s3://key:secret@host/bucket", drivers={"s3": "minio"}, read=read_address, embedded="file"
    ),
    "events": Store(
        variable="CLIPMESH_EVENTS",
        server="kafka://host:9092, or empty for streams on CLIPMESH_REDIS",
        drivers={"kafka": "confluent_kafka"},
        read=parse_kafka,
        may_be_empty=True,
    ),
    "redis": Store(
        variable="CLIPMESH_REDIS",
        server="redis://host:6379/0",
        drivers={"redis": "", "rediss": "", "redis+sentinel": "", "rediss+sentinel": ""},
        read=RedisUrl.parse,
        embedded="unix",
    ),
}
"""Every store by its word, as `clipmesh status` says it."""


def scheme_of(url: str) -> str:
    """What stands before the first colon."""
    return url.partition(":")[0]


def shown(url: str) -> str:
    """The URL as everybody may read it: without passwords and options."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.partition('?')[0].rpartition('@')[2]}"


def told(urls: Mapping[str, str]) -> dict[str, str]:
    """Every store by its word, and what keeps it: `embedded`, or its URL as everybody may read it."""
    keepers = {name: shown(urls[store.variable]) if urls.get(store.variable) else EMBEDDED for name, store in STORES.items()}
    if not urls.get("CLIPMESH_EVENTS") and urls.get("CLIPMESH_REDIS"):
        keepers["events"] = f"streams on {keepers['redis']}"
    return keepers
