"""The end of a server: it says so, finishes what it has, and takes nothing more."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mesh.errors import Unavailable
from mesh.health import Dependency
from mesh.server import RefusedToStart, Server
from mesh.testing.rpc import process_for, serve
from tests.contract.rpc.probe import SERVICE, ListReviewsRequest, ListReviewsResponse, Probe, Stub, served_by

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_calls_under_way_end_and_new_ones_are_refused() -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def work(_: Any) -> Any:
        begun.set()
        await finish.wait()
        return ListReviewsResponse(next_page_token="done")

    probe = Probe(lists=work)
    async with serve(served_by(probe), service="rights") as served:
        stub = served.stub(Stub)
        under_way = asyncio.create_task(stub.ListReviews(ListReviewsRequest()))
        await begun.wait()
        stopping = asyncio.create_task(served.server.stop(drain_wait_ms=0, grace_ms=20_000))
        async with grpc.aio.insecure_channel(served.address) as late, asyncio.timeout(20):
            while True:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await late.unary_unary(f"/{SERVICE}/ListReviews")(b"", timeout=5)
                if refused.value.code() is grpc.StatusCode.UNAVAILABLE:
                    break
        assert not stopping.done()
        finish.set()
        assert (await under_way).next_page_token == "done"
        await stopping
    assert probe.listed == 1


async def test_watchers_hear_not_serving_and_do_not_hold_the_end_up() -> None:
    heard: list[int] = []
    async with serve(served_by(Probe()), service="rights") as served, grpc.aio.insecure_channel(served.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        heard.append((await watch.read()).status)
        start = time.monotonic()
        await served.server.stop(drain_wait_ms=50, grace_ms=20_000)
        heard.append((await watch.read()).status)
        assert await watch.read() is grpc.aio.EOF
        assert time.monotonic() - start < 5
    assert heard == [SERVING, NOT_SERVING]


async def test_health_answers_for_the_whole_and_for_each_dependency() -> None:
    broken: set[str] = set()

    def dependency(name: str, *, required: bool) -> Dependency:
        async def check() -> None:
            if name in broken:
                raise ConnectionError(name)

        return Dependency(check, required=required)

    dependencies = {"tables": dependency("tables", required=True), "redis": dependency("redis", required=False)}
    async with (
        serve(served_by(Probe()), service="rights", dependencies=dependencies) as served,
        grpc.aio.insecure_channel(served.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)

        async def statuses() -> list[int]:
            await served.server.health.check_dependencies()
            return [(await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", "tables", "redis")]

        assert await statuses() == [SERVING, SERVING, SERVING]
        broken.add("redis")
        assert await statuses() == [SERVING, SERVING, NOT_SERVING]
        broken.add("tables")
        assert await statuses() == [NOT_SERVING, NOT_SERVING, NOT_SERVING]
        with pytest.raises(Unavailable):
            await asyncio.wait_for(until_refused(served.stub(Stub)), 15)
        broken.clear()
        assert await statuses() == [SERVING, SERVING, SERVING]
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await stub.Check(health_pb2.HealthCheckRequest(service="graph"))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def until_refused(stub: Any) -> None:
    while True:
        await stub.ListReviews(ListReviewsRequest())


async def test_reflection_and_channelz_answer_in_development() -> None:
    async with serve(served_by(Probe()), service="rights") as served, grpc.aio.insecure_channel(served.address) as channel:
        reflected = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
        await reflected.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = await reflected.read()
        await reflected.done_writing()
        assert SERVICE in {service.name for service in listed.list_services_response.service}
        servers = await channelz_pb2_grpc.ChannelzStub(channel).GetServers(channelz_pb2.GetServersRequest())
        assert len(servers.server) >= 1


async def test_addresses_that_cannot_serve_are_refused_by_name(tmp_path: Any) -> None:
    async with serve(served_by(Probe()), service="rights") as served:
        process = process_for("rights")

        def server() -> Server:
            return Server(services=[served_by(Probe())], secrets=process.secrets, clock=process.clock, telemetry=process.telemetry)

        port = await (first := server()).start("127.0.0.1:0")
        with pytest.raises(RefusedToStart, match="is it taken"):
            await server().start(f"127.0.0.1:{port}")
        with pytest.raises(RefusedToStart, match="longer than 107 bytes"):
            await server().start(f"unix:{tmp_path}/{'x' * 107}.sock")
        await first.stop(drain_wait_ms=0, grace_ms=100)
        assert (await served.stub(Stub).ListReviews(ListReviewsRequest())) == ListReviewsResponse()
