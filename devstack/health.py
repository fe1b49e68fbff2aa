"""Asks processes whether they serve: gRPC health for services, HTTP for the gateway."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from devstack.doors import Doors

CHECK_S = 2.0


@contextmanager
def short_folder(folder: Path) -> Iterator[Path]:
    """A short name of a folder: the path of a unix socket has at most 107 bytes, a data folder may be deep."""
    with tempfile.TemporaryDirectory(prefix="cm-") as temporary:
        link = Path(temporary) / "f"
        link.symlink_to(folder)
        yield link


async def service_serves(doors: Doors, service: str) -> bool:
    """True when a service says SERVING."""
    async with doors.channel(service) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def gateway_serves(origin: str) -> bool:
    """True when the gateway answers its health route."""
    # On its own machine it is asked by an address that its certificate need not name.
    async with httpx.AsyncClient(base_url=origin, timeout=CHECK_S, verify=not origin.startswith("https://127.0.0.1:")) as client:
        try:
            answer = await client.get("/healthz")
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


async def metrics_of(socket: Path) -> str:
    """The metrics page behind a unix socket, empty when nobody answers."""
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, timeout=CHECK_S) as client:
        try:
            answer = await client.get("http://metrics/metrics")
        except (httpx.HTTPError, OSError):
            return ""
        return answer.text if answer.status_code == httpx.codes.OK else ""


async def until(check: object, *, timeout_s: float) -> bool:
    """Ask an async check every 50 ms until it says yes; False when `timeout_s` went by."""
    assert callable(check)
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await check():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True
