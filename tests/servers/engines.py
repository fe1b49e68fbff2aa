"""Cassandra, MinIO, Kafka and Redis as what keeps the things of a system under test, with parts of their own, removed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.e2e.engines import Engines
from tests.servers import fresh, swept


def _nobody(server: str) -> None:
    raise KeyError(server)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers(Engines):
    """All four are servers; the folder keeps nothing but logs and keys."""

    settings: Mapping[str, str] = field(default_factory=lambda: {"CLIPMESH_JOB_LEASE_MS": "15000"})
    """Each heartbeat is a conditional write, which costs a busy server seconds."""
    least_part_bytes: int = 5 * 2**20
    patience_s: float = 150.0
    """A server that is killed takes its time to come back on a busy machine."""
    of_rows: str = "cassandra"
    kill_and_start: Callable[[str], None] = _nobody
    """What a crash does to one of them, by its word."""

    def kill(self, server: str) -> None:
        """See the embedded ones."""
        self.kill_and_start(server)

    def written(self, topic: str, folder: Path) -> int:
        """See the embedded ones."""
        events = self.stores["CLIPMESH_EVENTS"]
        prefix = parse_qs(urlsplit(events).query)["prefix"][0]
        return swept.records_of(events, f"{prefix}.{topic}")

    def objects(self, folder: Path) -> list[str]:
        """See the embedded ones."""
        return swept.objects_of(self.stores["CLIPMESH_BLOBS"])


@contextmanager
def parts_of(*, cassandra: str, s3: str, kafka: str, redis: str, kill_and_start: Callable[[str], None] = _nobody) -> Iterator[Servers]:
    """The keyspaces of the URL, and a bucket, topics and an empty database that nobody used before, on the servers of these URLs.

    Keyspaces are the caller's to empty and to drop: a server takes long to make the tables of all services, which many systems may have in turn.
    """
    swept.database(redis)
    stores = {
        "CLIPMESH_TABLES": cassandra,
        "CLIPMESH_BLOBS": fresh.bucket(s3),
        "CLIPMESH_EVENTS": fresh.topics(kafka),
        "CLIPMESH_REDIS": redis,
    }
    yield Servers(stores=stores, kill_and_start=kill_and_start)
    swept.bucket(stores["CLIPMESH_BLOBS"])
    swept.topics(stores["CLIPMESH_EVENTS"])
