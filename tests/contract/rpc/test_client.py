"""What a stub promises: an end in time, retries within a budget, identities, and peers that come and go."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from clipmesh.rights.v1 import publication_service_pb2_grpc

from mesh import client, deadline
from mesh.addresses import NoAddress, target_of
from mesh.auth import current_viewer, without_viewer
from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.errors import DeadlineExceeded, NotFound, Unavailable
from mesh.logs import request_id
from mesh.metrics import CLIENT_CALLS
from mesh.server import Access, Server
from mesh.service_config import OUTLIERS, is_read, is_repeatable, service_config
from mesh.status import RpcFailed
from mesh.telemetry import Telemetry, trace_context
from mesh.testing.rpc import process_for, secrets_for, serve, viewer
from tests.contract.rpc.probe import (
    A_DECISION,
    LIST,
    DecideReviewResponse,
    ListReviewsRequest,
    ListReviewsResponse,
    Probe,
    Stub,
    ask,
    served_by,
    token,
)
from tests.fixtures.children import child

A_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def channels_to(address: str, **options: Any) -> Channels:
    return Channels(
        secrets=secrets_for("gateway"),
        clock=SystemClock(),
        telemetry=Telemetry(service="gateway"),
        addresses={"rights": address},
        **options,
    )


@asynccontextmanager
async def listening(probe: Probe, address: str) -> AsyncIterator[tuple[Server, int]]:
    process = process_for("rights")
    server = Server(services=[served_by(probe)], secrets=process.secrets, clock=process.clock, telemetry=process.telemetry)
    try:
        yield server, await server.start(address)
    finally:
        await server.stop(drain_wait_ms=0, grace_ms=500)


async def until_it_fails(stub: Any) -> None:
    async with asyncio.timeout(10):
        while True:
            await stub.DecideReview(A_DECISION)


async def unavailable(_: Any) -> Any:
    raise Unavailable


async def test_reads_are_retried_and_writes_are_not() -> None:
    probe = Probe(lists=unavailable, decides=unavailable)
    async with serve(served_by(probe), service="rights") as served:
        with pytest.raises(Unavailable):
            await served.stub(Stub).ListReviews(ListReviewsRequest())
        with pytest.raises(Unavailable):
            await served.stub(Stub).DecideReview(A_DECISION)
    assert (probe.listed, probe.decided) == (3, 1)


async def test_a_write_is_retried_when_both_sides_call_it_idempotent() -> None:
    async def second_time(_: Any) -> Any:
        if probe.decided == 1:
            raise Unavailable
        return DecideReviewResponse()

    probe = Probe(decides=second_time)
    agreed = served_by(probe, decides=Access(callers={"gateway"}, idempotent=True))
    async with serve(agreed, service="rights") as served:
        await served.stub(Stub, idempotent={"DecideReview"}).DecideReview(A_DECISION)
    assert probe.decided == 2


async def test_the_server_stops_retries_of_what_is_not_idempotent() -> None:
    probe = Probe(decides=unavailable)
    async with serve(served_by(probe), service="rights") as served:
        with pytest.raises(Unavailable):
            await served.stub(Stub, idempotent={"DecideReview"}).DecideReview(A_DECISION)
    assert probe.decided == 1


async def test_retries_have_a_budget() -> None:
    probe = Probe(lists=unavailable)
    async with serve(served_by(probe), service="rights") as served:
        stub = served.stub(Stub)
        for _ in range(40):
            with pytest.raises(Unavailable):
                await stub.ListReviews(ListReviewsRequest())
    assert 40 < probe.listed <= 50


def test_the_service_config_says_what_it_should() -> None:
    alone, several = (json.loads(service_config(several=several)) for several in (False, True))
    assert alone == {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
    outliers = {"outlier_detection_experimental": {**OUTLIERS, "childPolicy": [{"round_robin": {}}]}}
    assert several == {"loadBalancingConfig": [outliers], "healthCheckConfig": {"serviceName": ""}}


def test_the_name_of_a_method_says_whether_it_may_be_repeated_unless_its_proto_does() -> None:
    for method, read in (("Get", True), ("ListReviews", True), ("BatchGetVideos", True), ("DecideReview", False)):
        assert (is_read("a.B", method), is_repeatable("a.B", method)) == (read, read)


def test_keepalive_has_all_three_settings_and_reconnects_come_soon() -> None:
    assert dict(client.keepalive(5_000, 2_000)) == {
        "grpc.keepalive_time_ms": 5_000,
        "grpc.keepalive_timeout_ms": 2_000,
        "grpc.http2.ping_timeout_ms": 2_000,
    }
    assert dict(client.OPTIONS)["grpc.max_reconnect_backoff_ms"] == 1_000


async def test_a_frozen_peer_is_noticed_long_before_the_deadline() -> None:
    source = """
        import asyncio, sys
        from mesh.server import Server
        from mesh.testing.rpc import process_for
        from tests.contract.rpc.probe import Probe, served_by

        async def main() -> None:
            process = process_for("rights")
            server = Server(services=[served_by(Probe())], secrets=process.secrets, clock=process.clock, telemetry=process.telemetry)
            print(await server.start("127.0.0.1:0"), flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    root = Path(__file__).parents[3]
    async with child(sys.executable, "-c", textwrap.dedent(source), stdout=subprocess.PIPE, cwd=root) as peer:
        assert peer.stdout is not None
        channels = channels_to(f"127.0.0.1:{int(await peer.stdout.readline())}", ping_every_ms=300, ping_timeout_ms=300)
        stub = channels.stub(Stub, "rights")
        await stub.ListReviews(ListReviewsRequest())
        peer.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(Unavailable):
            await stub.DecideReview(A_DECISION, timeout=30)
        assert time.monotonic() - start < 15
        await channels.close()


async def test_a_dead_dependency_is_unavailable_at_once_and_found_again_soon(tmp_path: Path) -> None:
    async with serve(served_by(Probe()), service="rights") as served:
        address = served.address
        channels = channels_to(address)
        stub = channels.stub(Stub, "rights")
        await stub.ListReviews(ListReviewsRequest())
        await served.server.stop(drain_wait_ms=0, grace_ms=100)
        start = time.monotonic()
        with pytest.raises(Unavailable) as failed:
            await until_it_fails(stub)
        assert time.monotonic() - start < 2
        assert (failed.value.reason, failed.value.message) == ("DEPENDENCY_UNAVAILABLE", "rights cannot be reached")
        async with listening(Probe(), address):
            start = time.monotonic()
            async with asyncio.timeout(10):
                while True:
                    try:
                        await stub.DecideReview(A_DECISION)
                    except Unavailable:
                        await asyncio.sleep(0.02)
                    else:
                        break
            assert time.monotonic() - start < 3
        await channels.close()


async def test_a_service_that_never_was_is_unavailable() -> None:
    channels = channels_to("unix:nowhere/n.sock")
    with pytest.raises(Unavailable) as failed:
        await channels.stub(Stub, "rights").DecideReview(A_DECISION)
    assert "nowhere" not in failed.value.message
    await channels.close()


async def test_a_peer_that_is_slow_to_answer_a_connection_is_waited_for() -> None:
    async with listening(Probe(), "127.0.0.1:0") as (_, port):
        accepted: set[asyncio.Task[Any]] = set()

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
            writer.close()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.add(asyncio.ensure_future(relay(reader, writer)))

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers = [writer]
            try:
                await asyncio.sleep(0.7)
                peer_reader, peer_writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(peer_writer)
                await asyncio.gather(carry(reader, peer_writer), carry(peer_reader, writer), return_exceptions=True)
            finally:
                for each in writers:
                    each.transport.abort()

        async with await asyncio.start_server(accept, "127.0.0.1", 0) as busy:
            channels = channels_to(f"127.0.0.1:{busy.sockets[0].getsockname()[1]}")
            assert (await channels.stub(Stub, "rights").DecideReview(A_DECISION)) == DecideReviewResponse()
            await channels.close()
            for task in accepted:
                task.cancel()
            await asyncio.gather(*accepted, return_exceptions=True)
        await asyncio.sleep(0)


async def test_calls_go_round_and_leave_out_who_says_not_serving() -> None:
    one, two = Probe(), Probe()
    async with listening(one, "127.0.0.1:0") as (first, port_1), listening(two, "127.0.0.1:0") as (_, port_2):
        channels = channels_to(f"127.0.0.1:{port_1}, 127.0.0.1:{port_2}")
        stub = channels.stub(Stub, "rights")
        async with asyncio.timeout(10):
            while min(one.decided, two.decided) < 5:
                await stub.DecideReview(A_DECISION)
            first.health.draining()
            quiet = 0
            while quiet < 20:
                before = one.decided
                await stub.DecideReview(A_DECISION)
                quiet = quiet + 1 if one.decided == before else 0
        await channels.close()


async def test_the_ambient_deadline_bounds_every_call() -> None:
    async def work_on(_: Any) -> Any:
        await asyncio.sleep(30)

    probe = Probe(lists=work_on)
    async with serve(served_by(probe), service="rights") as served:
        stub = served.stub(Stub)
        start = time.monotonic()
        with deadline.scope(0.1), pytest.raises(DeadlineExceeded) as failed:
            await stub.ListReviews(ListReviewsRequest(), timeout=20)
        assert time.monotonic() - start < 5
        assert failed.value.reason == "DEADLINE_EXCEEDED"
        with deadline.scope(0), pytest.raises(DeadlineExceeded):
            await stub.ListReviews(ListReviewsRequest())
    assert probe.listed == 1


async def test_viewer_request_id_and_trace_go_along_two_hops() -> None:
    seen: list[tuple[int, str, str]] = []

    async def look(_: Any) -> Any:
        seen.append((current_viewer().user_id, request_id.get(), trace_context()))
        return ListReviewsResponse()

    async with serve(served_by(Probe(lists=look), lists=Access(callers={"video"})), service="rights") as rights:
        process = process_for("video", addresses={"rights": rights.address})
        onward = process.channels.stub(Stub, "rights")

        async def forward(request: Any) -> Any:
            await look(request)
            await onward.ListReviews(request)
            with without_viewer():
                return await onward.ListReviews(request)

        async with serve(served_by(Probe(lists=forward)), service="video", process=process) as video:

            async def ask() -> None:
                request_id.set("request-1")
                with process.telemetry.span("a page", traceparent=A_TRACE):
                    await video.stub(Stub, viewer=viewer(user_id=7)).ListReviews(ListReviewsRequest())

            await asyncio.create_task(ask())
    assert seen == [(7, "request-1", A_TRACE), (7, "request-1", A_TRACE), (0, "request-1", A_TRACE)]


async def test_malformed_ids_are_replaced() -> None:
    seen: list[tuple[str, str]] = []

    async def look(_: Any) -> Any:
        seen.append((request_id.get(), trace_context()))
        return ListReviewsResponse()

    async with serve(served_by(Probe(lists=look)), service="rights") as served:
        bad = [("clipmesh-request-id", 'x"} forged'), ("traceparent", "00-zz-1-01")]
        await ask(served, LIST, metadata=[token(SystemClock()), *bad])
        await ask(served, LIST, metadata=[token(SystemClock())])
    assert all(len(given) == 16 and int(given, 16) >= 0 for given, _ in seen)
    assert seen[0][0] != seen[1][0]
    assert [trace for _, trace in seen] == ["", ""]


async def test_outward_calls_are_counted_by_what_came_of_them() -> None:
    async def missing(_: Any) -> Any:
        raise NotFound

    async with serve(served_by(Probe(lists=missing)), service="rights") as served:
        telemetry = Telemetry(service="gateway")
        channels = Channels(secrets=secrets_for("gateway"), clock=SystemClock(), telemetry=telemetry, addresses={"rights": served.address})
        stub = channels.stub(Stub, "rights")
        assert channels.stub(Stub, "rights") is stub
        await stub.DecideReview(A_DECISION)
        with pytest.raises(RpcFailed):
            await stub.ListReviews(ListReviewsRequest())
        assert telemetry.value(CLIENT_CALLS, method=LIST, code="NOT_FOUND") == 1
        assert telemetry.value(CLIENT_CALLS, method=LIST, code="OK") == 0
        await channels.close()


def test_addresses_are_understood_or_refused() -> None:
    assert target_of("video", "unix:run/video.sock") == "unix:run/video.sock"
    assert target_of("video", "dns:///video:50051") == "dns:///video:50051"
    assert target_of("video", "10.0.0.1:1, 10.0.0.2:1") == "ipv4:10.0.0.1:1,10.0.0.2:1"
    assert target_of("video", "unix:run/a.sock, unix:run/b.sock") == "unix:run/a.sock,run/b.sock"
    assert target_of("video", "[::1]:1,[::2]:1") == "ipv6:[::1]:1,[::2]:1"
    for bad in ("unix:a,127.0.0.1:1", "host-a:1,host-b:1", "10.0.0.1:1,[::1]:1"):
        with pytest.raises(NoAddress):
            target_of("video", bad)


async def test_stubs_need_an_address_and_true_method_names(monkeypatch: pytest.MonkeyPatch) -> None:
    channels = Channels(secrets=secrets_for("gateway"), clock=SystemClock(), telemetry=Telemetry(service="gateway"))
    monkeypatch.delenv("CLIPMESH_RIGHTS_ADDRESS", raising=False)
    with pytest.raises(NoAddress, match="CLIPMESH_RIGHTS_ADDRESS"):
        channels.stub(Stub, "rights")
    monkeypatch.setenv("CLIPMESH_RIGHTS_ADDRESS", "unix:nowhere.sock")
    with pytest.raises(ValueError, match="has no method DecideRevue"):
        channels.stub(Stub, "rights", idempotent={"DecideRevue"})
    assert channels.stub(publication_service_pb2_grpc.PublicationServiceStub, "rights")
    await channels.close()


def test_a_bare_transport_failure_keeps_its_text_to_itself() -> None:
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="10.1.2.3:443 refused")
    failed = client.from_rpc_error(error, service="rights", method=LIST)
    assert isinstance(failed, Unavailable)
    assert (failed.message, failed.facts, failed.domain) == ("rights cannot be reached", {}, "clipmesh")
