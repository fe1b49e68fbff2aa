"""What the driver's errors mean for the port."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from mesh.events.stream.port import StreamUnavailable

REFUSED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)
"""The broker will not serve these credentials, however often it is asked."""
LOST: Final = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._FENCED,
        KafkaError._FATAL,
        KafkaError._ASSIGNMENT_LOST,
    }
)
"""The group gave this member's partitions to others; nothing was committed."""
MOVING: Final = frozenset({KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION})
"""The group is sharing its partitions anew; the same commit can succeed in a moment, unless the partition is told to be lost meanwhile."""


PASSING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError._WAIT_COORD,
    }
)
"""Somebody else has to be asked, or the same in a moment."""


def error_of(error: Any) -> KafkaError | None:
    """The driver's error in an exception or by itself; None for others."""
    if isinstance(error, KafkaException) and error.args:
        error = error.args[0]
    return error if isinstance(error, KafkaError) else None


def unavailable(doing: str, error: Any) -> StreamUnavailable:
    """The port's error for one of the driver."""
    known = error_of(error)
    return StreamUnavailable(f"Kafka could not {doing}: {known.str() if known is not None else error}")
