"""What operators see: health, metrics, and problems that are no pages."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import httpx
from starlette.applications import Starlette

from gateway.health import Health
from gateway.metrics import CONNECTIONS, OPERATION_SECONDS, OPERATIONS, REFUSED
from gateway.viewers import Viewers
from mesh.health import Dependency
from mesh.stores.blobs.port import BlobsUnavailable
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from mesh.testing.redis_server import RedisServer
from mesh.tokens import AccessTokenVerifier
from tests.gateway.conftest import Opening
from tests.gateway.world import World


async def test_a_gateway_without_redis_serves_on_and_says_so(world: World, redis_server: RedisServer) -> None:
    assert (await world.http.get("/healthz")).json() == {"ok": True, "degraded": []}
    await redis_server.kill()
    world.fakes.fill(1)
    body = await world.ask("{ forYou { edges { node { caption } } } }")
    assert body["data"]["forYou"]["edges"][0]["node"]["caption"] == "clip 1"
    await asyncio.sleep(1.05)
    answer = await world.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "degraded": ["redis", "stream"]})


async def test_every_store_that_does_not_answer_is_named_in_time() -> None:
    async def well() -> None:
        return None

    async def away() -> None:
        raise BlobsUnavailable("away")

    async def silent() -> None:
        await asyncio.sleep(30)

    health = Health(
        dependencies={"redis": Dependency(well), "stream": Dependency(silent), "blobs": Dependency(away)},
        verifier=cast("AccessTokenVerifier", SimpleNamespace(closed=False, stale=True)),
        viewers=cast("Viewers", None),
        telemetry=Telemetry(service="gateway"),
        clock=FakeClock(),
        development=False,
    )
    transport = httpx.ASGITransport(Starlette(routes=health.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client, asyncio.timeout(10):
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "degraded": ["stream", "blobs", "revocations"]})


async def test_metrics_are_for_this_machine_alone_outside_of_development(opened: Opening) -> None:
    async with opened(trusted_proxies=1, development=False) as world:
        assert (await world.http.get("/metrics")).status_code == 200
        stranger = await world.http.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})
        assert (stranger.status_code, stranger.json()["code"]) == (404, "NOT_FOUND")
    async with opened(trusted_proxies=1) as world:
        await world.ask("{ forYou { servedBy } }")
        answer = await world.http.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})
        assert "clipmesh_rpc_client_calls_total" in answer.text


async def test_operations_are_counted_by_their_code(world: World) -> None:
    await world.ask("{ forYou { servedBy } }")
    await world.ask("{ nobody }")
    await world.ask('mutation { deleteVideo(input: {videoId: "x"}) { deletedVideoId } }')
    await world.ask("{ forYou(first: 10000) { edges { cursor } } }")
    telemetry = world.app.process.telemetry
    counted = {
        ("query", "OK"): 1,
        (REFUSED, "BAD_USER_INPUT"): 1,
        ("mutation", "BAD_USER_INPUT"): 1,
        (REFUSED, "QUERY_TOO_COSTLY"): 1,
    }
    assert {labels: telemetry.value(OPERATIONS, kind=labels[0], code=labels[1]) for labels in counted} == counted
    assert telemetry.value(OPERATION_SECONDS, kind="query") == 1
    async with world.socket():
        assert telemetry.value(CONNECTIONS) == 1


async def test_what_is_not_there_is_a_problem_document(world: World) -> None:
    answer = await world.http.get("/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "NOT_FOUND"
    answer = await world.http.delete("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
