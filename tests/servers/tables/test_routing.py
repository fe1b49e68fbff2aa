"""Which node is asked, and when a second one is: the nearest owner of the row first, another one soon for reads, none at all for writes."""

from __future__ import annotations

from cassandra.cluster import ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, FallthroughRetryPolicy, NoSpeculativeExecutionPolicy, TokenAwarePolicy
from cassandra.query import SimpleStatement

from mesh.stores.tables.cql.engine import CqlTables
from mesh.stores.tables.cql.session import READS, WRITES
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Ticket
from tests.servers.tables.stores import open_store


async def test_reads_alone_are_asked_of_a_second_node_and_both_of_the_nearest_owner_first(shared_url: str) -> None:
    store = await open_store(shared_url, (Ticket,), FakeClock())
    try:
        assert isinstance(store, CqlTables)
        profiles: dict[str, ExecutionProfile] = store._session._cluster.profile_manager.profiles
        reads, writes = profiles[READS], profiles[WRITES]
        for profile in (reads, writes):
            nearest = profile.load_balancing_policy
            assert isinstance(nearest, TokenAwarePolicy)
            assert isinstance(nearest._child_policy, DCAwareRoundRobinPolicy)
        plan = reads.speculative_execution_policy.new_plan("", SimpleStatement("SELECT"))
        assert [plan.next_execution(host="") for _ in range(2)] == [0.05, -1]
        assert isinstance(writes.speculative_execution_policy, NoSpeculativeExecutionPolicy)
        assert isinstance(writes.retry_policy, FallthroughRetryPolicy)
    finally:
        await store.close()
