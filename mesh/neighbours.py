"""Other services as dependencies of a process: asked for their health as any store is."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from mesh.client import Channels
from mesh.errors import Unavailable
from mesh.health import Dependency


class _HealthStub:
    """The unary half of grpc.health.v1.Health; our channels carry no streams."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.Check: Any = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )


def neighbour(channels: Channels, service: str, *, required: bool = False) -> Dependency:
    """A service on the right of this process, which is there when it says SERVING."""
    stub = channels.stub(_HealthStub, service)

    async def check() -> None:
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise Unavailable(f"{service} does not serve")

    return Dependency(check, required=required)
