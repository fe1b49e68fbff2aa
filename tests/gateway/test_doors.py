"""Sign-in and uploads are named, traced, counted and timed as operations of GraphQL are."""

from __future__ import annotations

from typing import Any

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send

from gateway.doors import Doors
from gateway.metrics import DOOR_ANSWERS, DOOR_SECONDS
from mesh.errors import Unavailable
from mesh.logs import request_id
from mesh.telemetry import Telemetry
from tests.gateway.media.asking import ask
from tests.gateway.world import World

REFRESH = {"grant_type": "refresh_token", "refresh_token": "refresh", "client_id": "clipmesh-web"}


def counted(telemetry: Telemetry) -> dict[tuple[str, str], float]:
    places = [(door, status) for door in sorted(DOOR_ANSWERS.labels["door"]) for status in sorted(DOOR_ANSWERS.labels["status"])]
    found = {place: telemetry.value(DOOR_ANSWERS, door=place[0], status=place[1]) for place in places}
    return {place: count for place, count in found.items() if count}


async def test_what_a_person_calls_the_request_is_its_name_in_every_service(world: World) -> None:
    seen: list[str] = []

    async def refresh(_: object) -> Any:
        seen.append(request_id.get())
        return pb.RefreshTokensResponse(tokens=pb.TokenPair(access_token="access", expires_in_ms=600_000, refresh_token="next", user_id=7))

    world.fakes.answers["RefreshTokens"] = refresh
    answer = await world.http.post("/oauth/token", data=REFRESH, headers={"x-request-id": "of-the-client"})
    assert (answer.status_code, answer.headers["x-request-id"], seen) == (200, "of-the-client", ["of-the-client"])
    other = await world.http.post("/oauth/token", data=REFRESH, headers={"x-request-id": "x" * 500})
    assert other.headers["x-request-id"] == seen[1] not in {"", "of-the-client"}


async def test_doors_are_counted_by_what_they_answered(world: World) -> None:
    async def away(_: object) -> Any:
        raise Unavailable

    world.fakes.answers["RefreshTokens"] = away
    assert (await world.http.post("/oauth/token", data=REFRESH)).status_code == 503
    assert (await world.http.get("/oauth/authorize")).status_code == 200
    assert (await world.http.options("/tus")).status_code == 204
    assert (await world.http.post("/tus")).status_code == 412
    assert (await world.http.put("/upload/raw/1?part=1", content=b"x")).status_code == 403
    for elsewhere in ("/upload", "/healthz", "/m/x/720p.mp4", "/.well-known/jwks.json"):
        assert "x-request-id" not in (await world.http.get(elsewhere)).headers
    telemetry = world.app.process.telemetry
    assert counted(telemetry) == {("sign-in", "2xx"): 1, ("sign-in", "5xx"): 1, ("tus", "2xx"): 1, ("tus", "4xx"): 1, ("upload", "4xx"): 1}
    assert {door: telemetry.value(DOOR_SECONDS, door=door) for door in ("sign-in", "tus", "upload")} == {
        "sign-in": 2,
        "tus": 2,
        "upload": 1,
    }


async def test_what_a_door_asks_for_is_one_trace_and_a_failure_is_counted() -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(service="gateway", span_exporter=exporter)
    names: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        names.append(request_id.get())
        with telemetry.span("call"):
            pass
        if scope["path"] == "/oauth/token":
            raise KeyError("alice")
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    doors = Doors(app, telemetry=telemetry)
    assert (await ask(doors, "POST", "/tus")).headers["x-request-id"] == names[0]
    with pytest.raises(KeyError):
        await ask(doors, "POST", "/oauth/token")
    assert request_id.get() == ""
    await telemetry.close()
    spans = exporter.get_finished_spans()
    assert [(span.name, span.parent is None) for span in spans] == [
        ("call", False),
        ("door tus", True),
        ("call", False),
        ("door sign-in", True),
    ]
    within = [span.parent.span_id for span in spans[::2] if span.parent is not None]
    assert within == [span.context.span_id for span in spans[1::2] if span.context is not None]
    assert "alice" not in "".join(span.to_json() for span in spans)
    assert counted(telemetry) == {("tus", "2xx"): 1, ("sign-in", "none"): 1}
