"""The statements of the CQL engine sent by scylla-driver's own means for many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.concurrent import execute_concurrent, execute_concurrent_with_args
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import BatchStatement, BatchType, tuple_factory

from bench.cql import CONCURRENCY
from bench.rows import Heard, Written
from mesh.events.event import Event
from mesh.stores.tables.cql.outbox_tables import OutboxCql, State
from mesh.stores.tables.cql.positions import bucket_of, first_of
from mesh.stores.tables.cql.session import Query
from mesh.stores.tables.cql.tables import LAST, CqlTable
from mesh.stores.tables.schema import schema_of

_WRITER = 1


class Driver:
    """One connection; blocks."""

    def __init__(self, places: str, keyspace: str) -> None:
        host, _, port = places.rpartition("@")[2].partition(",")[0].partition(":")
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
            consistency_level=ConsistencyLevel.LOCAL_QUORUM,
            row_factory=tuple_factory,
            request_timeout=30,
        )
        self._cluster = Cluster([host], port=int(port or 9042), execution_profiles={EXEC_PROFILE_DEFAULT: profile})
        self._session = self._cluster.connect()
        self.version = str(self._cluster.metadata.all_hosts()[0].release_version)
        self._heard, self._written = CqlTable(keyspace, schema_of(Heard)), CqlTable(keyspace, schema_of(Written))
        self._outbox = OutboxCql(keyspace)
        self._position = first_of(1)
        self._prepared: dict[Query, Any] = {}
        self._keyspace = keyspace

    def close(self) -> None:
        """Drop the keyspace and let go of the connection."""
        self._session.execute(f'DROP KEYSPACE "{self._keyspace}"')
        self._cluster.shutdown()

    def _statement(self, query: Query) -> Any:
        if query not in self._prepared:
            prepared = self._prepared[query] = self._session.prepare(query.text)
            prepared.consistency_level = ConsistencyLevel.LOCAL_QUORUM
        return self._prepared[query]

    def _many(self, query: Query, values: Sequence[Sequence[Any]]) -> list[Any]:
        return list(execute_concurrent_with_args(self._session, self._statement(query), values, concurrency=CONCURRENCY))

    def get(self, rows: Sequence[Heard]) -> None:
        """Read each row."""
        self._many(self._heard.get, [(row.video_id,) for row in rows])

    def put(self, rows: Sequence[Heard]) -> None:
        """Write each plain row."""
        self._many(self._heard.put, [(*self._heard.codec.encode(row), row.version, 0) for row in rows])

    def insert(self, rows: Sequence[tuple[Written, Event]]) -> None:
        """Write each guarded row with its entry."""
        places = []
        for row, event in rows:
            self._position += 1
            key = (0, bucket_of(self._position), self._position, _WRITER, 0)
            envelope = event.envelope(row_version=1).SerializeToString()
            places.append((key, (State.INTENT, event.event_id, event.topic, event.key, envelope, "x" * 30), row))
        self._many(self._outbox.write, [(*key, *content) for key, content, _ in places])
        table = self._written
        change, begin, note = map(self._statement, (table.change, table.begin, table.note))
        batches = []
        for key, _, row in places:
            batch = BatchStatement(
                batch_type=BatchType.UNLOGGED,
                consistency_level=ConsistencyLevel.LOCAL_QUORUM,
                serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
            )
            values = table.codec.encode(row)
            batch.add(change.bind((0, *table.cells(values, 1), *table.codec.key(values), None)))
            batch.add(begin.bind((key[2], row.writer, LAST, 0, None)))
            batch.add(note.bind((key[2], row.writer, _WRITER, 0)))
            batches.append((batch, None))
        answers = execute_concurrent(self._session, batches, concurrency=CONCURRENCY)
        assert all(answer.result_or_exc.one()[0] for answer in answers)
        self._many(self._outbox.confirm, [key for key, _, _ in places])
