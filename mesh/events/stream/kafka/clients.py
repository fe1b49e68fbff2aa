"""Configurations of the driver's clients, each with what differs from the driver's defaults and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError

CALL_TIMEOUT_S: Final = 5.0
"""Time limit of a call when no deadline is set, in seconds."""
SHORTEST_LEASE_MS: Final = 6_000
"""Brokers refuse a shorter session by default."""
LONGEST_POLL_MS: Final = 300_000
"""Longest silence of a member's polling thread, in milliseconds; the application's pace does not matter to it."""
PREFETCH: Final = 2_000
"""Records of a partition that the driver keeps ready."""

_EVERY: Final = {
    # The driver writes to standard error otherwise; what matters arrives as errors of calls.
    "log_level": 1,
    # A broker that does not answer counts as away after this, in milliseconds: the default of a minute outlasts every deadline.
    "socket.timeout.ms": 6_000,
    "socket.connection.setup.timeout.ms": 5_000,
    "socket.keepalive.enable": True,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,
    "retry.backoff.ms": 50,
    # Topics are created by us, with the partitions that are set.
    "allow.auto.create.topics": False,
}

Told = Callable[[KafkaError], None]


def admin(connection: Mapping[str, Any], *, on_error: Told) -> dict[str, Any]:
    """Of the client that asks about topics, groups and offsets."""
    return {**_EVERY, **connection, "error_cb": on_error}


def producer(connection: Mapping[str, Any], *, on_error: Told) -> dict[str, Any]:
    """Of the client that publishes: stored once by every replica in sync, and never past a record of the same partition that failed."""
    return {
        **_EVERY,
        **connection,
        "error_cb": on_error,
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "message.timeout.ms": int(CALL_TIMEOUT_S * 1000),
        # Callers await each batch; waiting for more records would only delay them.
        "linger.ms": 0,
        "queue.buffering.max.messages": 200_000,
    }


def reader(connection: Mapping[str, Any], *, on_error: Told, name: str) -> dict[str, Any]:
    """Of a client that reads partitions which it names itself; `name` stands for a group that never commits."""
    return {
        **_EVERY,
        **connection,
        "error_cb": on_error,
        "group.id": name,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "topic.metadata.refresh.interval.ms": 10_000,
        "fetch.wait.max.ms": 500,
        "fetch.error.backoff.ms": 100,
        # A partition whose records are all taken is fetched again at once; the default waits a second.
        "fetch.queue.backoff.ms": 20,
        "queued.min.messages": PREFETCH,
        "queued.max.messages.kbytes": 8_192,
        # A reader that waits for its own slow reader is no dead one.
        "max.poll.interval.ms": 86_400_000,
    }


def member(
    connection: Mapping[str, Any],
    *,
    on_error: Told,
    on_commit: Callable[[KafkaError | None, list[Any]], None],
    group: str,
    name: str,
    lease_ms: int,
    heartbeat_ms: int,
) -> dict[str, Any]:
    """Of a member of a group; under its own name it takes over from its former self at once."""
    lease_ms = max(lease_ms, SHORTEST_LEASE_MS)
    return {
        **reader(connection, on_error=on_error, name=group),
        "on_commit": on_commit,
        "group.instance.id": name,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": lease_ms,
        "heartbeat.interval.ms": heartbeat_ms,
        "max.poll.interval.ms": max(LONGEST_POLL_MS, lease_ms),
        "coordinator.query.interval.ms": 5_000,
    }
