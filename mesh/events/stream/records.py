"""Reading records of the Redis engine: one command for any number of partitions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mesh.events.stream.port import Delivery, StreamUnavailable
from mesh.stores.redis import Redis, RedisUnavailable

READ_TIMEOUT_S: Final = 5.0
"""Time limit of a read when no deadline is set, in seconds."""
START: Final = "0-0"
"""The position before the oldest record."""


_RUN_ID: Final = re.compile(rb"run_id:([0-9a-f]+)")


def sequence_of(position: str) -> int:
    """Which record of its partition a position names, counted from 1; 0 for START."""
    return int(position.partition("-")[2])


def moment_of(position: str) -> int:
    """When the record at a position was published, in milliseconds since the Unix epoch by the server's clock."""
    return int(position.partition("-")[0])


async def read_records(redis: Redis, places: Mapping[str, tuple[str, int, str]], *, limit: int) -> tuple[str, dict[str, list[Delivery]]]:
    """Which server process answered, and records by stream key, at most `limit` a key, where `places` says for each key its topic, partition and
    position; empty keys are absent. A position means nothing to a process that did not give it out: it may stand behind it."""
    positions = [position for _, _, position in places.values()]
    try:
        # One connection leads to one process, so both answers are of the same.
        facts, answer = await redis.many(
            [("INFO", "server"), ("XREAD", "COUNT", limit, "STREAMS", *places, *positions)], timeout_s=READ_TIMEOUT_S
        )
    except RedisUnavailable as error:
        raise StreamUnavailable(str(error)) from error
    found = _RUN_ID.search(facts)
    server = found[1].decode() if found else ""
    read: dict[str, list[Delivery]] = {}
    for name, entries in answer or ():
        topic, partition, _ = places[name.decode()]
        read[name.decode()] = [
            Delivery(
                topic=topic,
                partition=partition,
                position=position.decode(),
                key=fields[1].decode(),
                value=fields[3],
                published_at_ms=moment_of(position.decode()),
            )
            for position, fields in entries
        ]
    return server, read
