"""Lease and heartbeat lengths are settings of the process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mesh import settings as environment
from mesh.app import ServiceSettings
from mesh.backbone import Backbone
from mesh.events.rows import RelayPosition
from mesh.ids import NodeLease
from mesh.settings import InvalidSetting
from mesh.stores.redis import Redis
from mesh.testing.clock import FakeClock
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for
from tests.unit.mesh.backbone.test_backbone import Failures


async def test_leases_last_as_long_as_the_settings_say(tmp_path: Path, redis_server: RedisServer, redis: Redis) -> None:
    clock = FakeClock()
    read = environment.read(
        ServiceSettings,
        {
            "CLIPMESH_SECRETS": "",
            "CLIPMESH_RELAY_LEASE_MS": "4000",
            "CLIPMESH_NODE_LEASE_MS": "5000",
            "CLIPMESH_PARTITION_LEASE_MS": "600000",
            "CLIPMESH_PARTITION_HEARTBEAT_MS": "150000",
        },
    )
    backbone = await Backbone.open(
        process_for("video", settings=read, clock=clock), tables=f"sqlite:///{tmp_path}", redis=redis_server.url, events="", row_types=()
    )
    try:
        group = backbone.consume(Failures())
        async with asyncio.timeout(15):
            while backbone.relay.status().held_shards < backbone.tables.outbox_shards or group.status().partitions < 8:
                await asyncio.sleep(0.01)
        lease = await backbone.tables.get(NodeLease, 0, 0)
        position = await backbone.tables.get(RelayPosition, 0)
        assert lease is not None
        assert position is not None
        assert lease.ends_at_ms == clock.now_ms() + 5_000
        assert position.held_until_ms == clock.now_ms() + 4_000
        seconds, micros = await redis.call("TIME")
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        (member,) = (await redis.call("ZRANGE", "clipmesh:members:video.failures:video", 0, -1, "WITHSCORES"),)
        assert 500_000 < int(member[1]) - now_ms <= 600_000
    finally:
        await backbone.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("RELAY_LEASE_MS", "2999"), ("NODE_LEASE_MS", "0"), ("PARTITION_HEARTBEAT_MS", "3334"), ("PARTITION_HEARTBEAT_MS", "0")],
)
def test_lengths_that_cannot_work_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"CLIPMESH_{name} has to be"):
        environment.read(ServiceSettings, {"CLIPMESH_SECRETS": "", f"CLIPMESH_{name}": value})
