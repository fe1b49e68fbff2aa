"""Cassandra, MinIO, Kafka and Redis as what keeps the things of a system under test, with parts of their own, removed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.engines import Engines
from tests.servers import fresh, swept


def _nobody(server: str) -> None:
    raise KeyError(server)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers(Engines):
    """All four are servers; the folder keeps nothing but logs and keys."""

    least_part_bytes: int = 5 * 2**20
    patience_s: float = 150.0
    """A server that is killed takes its time to come back on a busy machine."""
    tail_wait_s: float = 2.0
    """The first answer of a broker to a new reader takes longer than those after it."""
    kill_and_start: Callable[[str], None] = _nobody
    """What a crash does to one of them, by its word."""

    def kill(self, server: str) -> None:
        """See the embedded ones."""
        self.kill_and_start(server)

    def objects(self, folder: Path) -> list[str]:
        """See the embedded ones."""
        return swept.objects_of(self.stores["CLIPMESH_BLOBS"])


@contextmanager
def parts_of(*, cassandra: str, s3: str, kafka: str, redis: str, kill_and_start: Callable[[str], None] = _nobody) -> Iterator[Servers]:
    """Keyspaces, a bucket, topics and an empty database that nobody used before, on the servers of these URLs."""
    swept.database(redis)
    stores = {
        "CLIPMESH_TABLES": fresh.keyspaces(cassandra),
        "CLIPMESH_BLOBS": fresh.bucket(s3),
        "CLIPMESH_EVENTS": fresh.topics(kafka),
        "CLIPMESH_REDIS": redis,
    }
    yield Servers(stores=stores, kill_and_start=kill_and_start)
    swept.keyspaces(stores["CLIPMESH_TABLES"])
    swept.bucket(stores["CLIPMESH_BLOBS"])
    swept.topics(stores["CLIPMESH_EVENTS"])
