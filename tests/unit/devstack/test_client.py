"""The client outlasts what comes back, renews its tokens once, and tells the rest by its code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.client import Api, ApiError

Answer = Callable[[httpx.Request], httpx.Response]
UNAVAILABLE = {"errors": [{"message": "later", "extensions": {"code": "UNAVAILABLE"}}], "data": None}
UNAUTHENTICATED = {"errors": [{"message": "who?", "extensions": {"code": "UNAUTHENTICATED"}}], "data": None}


def talking_to(answer: Answer, *, patience_s: float = 5.0, token: str = "") -> Api:
    api = Api("http://clipmesh.test", token=token, patience_s=patience_s)
    api._http = httpx.AsyncClient(base_url=api.origin, transport=httpx.MockTransport(answer))
    return api


def graphql(body: dict[str, Any], status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


async def test_what_is_away_for_a_while_is_asked_again() -> None:
    answers = [httpx.ConnectError("refused"), graphql(UNAVAILABLE), httpx.Response(502, text="bad gateway"), graphql({"data": {"me": 1}})]

    def answer(request: httpx.Request) -> httpx.Response:
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    assert await talking_to(answer).query("{ me }") == {"me": 1}
    assert answers == []


@pytest.mark.parametrize(
    ("body", "code", "asked"),
    [
        (UNAVAILABLE, "UNAVAILABLE", 1),
        ({"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]}, "FORBIDDEN", 1),
        ({"errors": [{"message": "no"}]}, "INTERNAL", 1),
        ({"code": "NOT_FOUND"}, "NOT_FOUND", 1),
    ],
)
async def test_a_refusal_has_its_code(body: dict[str, Any], code: str, asked: int) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return graphql(body)

    with pytest.raises(ApiError) as refused:
        await talking_to(answer, patience_s=0.0).query("{ me }")
    assert (refused.value.code, len(requests)) == (code, asked)


async def test_a_wait_that_the_gateway_names_longer_than_the_patience_is_not_begun() -> None:
    limited = {"errors": [{"message": "slow down", "extensions": {"code": "RATE_LIMITED", "retryAfterMs": 60_000}}]}
    with pytest.raises(ApiError) as refused:
        await asyncio.wait_for(talking_to(lambda _: graphql(limited)).query("{ me }"), 1)
    assert (refused.value.code, refused.value.retry_after_s) == ("RATE_LIMITED", 60.0)


async def test_an_expired_token_is_renewed_once_for_everybody_who_waits() -> None:
    renewals: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            renewals.append(request.content.decode())
            return httpx.Response(200, json={"access_token": "new", "refresh_token": "r2"})
        if request.headers["authorization"] != "Bearer new":
            await asyncio.sleep(0.01)
            return graphql(UNAUTHENTICATED, 401)
        return graphql({"data": {"me": 1}})

    api = talking_to(answer, token="old")  # type: ignore[arg-type]
    api._refresh_token = "r1"
    answers = await asyncio.gather(*(api.query("{ me }") for _ in range(5)))
    assert answers == [{"me": 1}] * 5
    assert renewals == ["client_id=clipmesh-web&grant_type=refresh_token&refresh_token=r1"]
    assert api._refresh_token == "r2"


async def test_a_session_that_is_over_is_told() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(400, json={"error": "invalid_grant"})
        return graphql(UNAUTHENTICATED, 401)

    api = talking_to(answer, token="old")
    api._refresh_token = "r1"
    with pytest.raises(ApiError) as refused:
        await api.query("{ me }")
    assert refused.value.code == "SIGN_IN_FAILED"


async def test_a_mutation_repeats_a_conflict_and_raises_every_other_outcome() -> None:
    outcomes = ["CONFLICT", "CAPTION_TOO_LONG"]
    inputs: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        inputs.append(json.loads(request.content)["variables"]["input"])
        error = {"code": outcomes.pop(0), "message": "no", "field": ["input", "caption"], "retryable": False, "details": []}
        return graphql({"data": {"publishVideo": {"video": None, "userErrors": [error]}}})

    with pytest.raises(ApiError) as refused:
        await talking_to(answer).mutate("publishVideo", "PublishVideoInput", "video { id }", requestId="r", caption="x")
    assert (refused.value.code, refused.value.field) == ("CAPTION_TOO_LONG", "input.caption")
    assert inputs == [{"requestId": "r", "caption": "x"}] * 2


@pytest.mark.parametrize("lost", [1, 3])
async def test_parts_that_the_store_lost_are_sent_again_and_not_for_ever(lost: int, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"abc")
    kept: set[int] = set()
    sent: list[str] = []
    completed = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal completed
        if request.method == "PUT":
            sent.append(request.url.path)
            kept.add(int(request.url.path[-1]))
            return httpx.Response(204)
        asked = json.loads(request.content)["query"]
        fields: dict[str, Any] = {"userErrors": []}
        if "completeUpload" in asked:
            completed += 1
            if completed <= lost:
                kept.clear()
                fields["userErrors"] = [
                    {"code": "MISSING_PARTS", "message": "sent again", "field": None, "retryable": False, "details": []}
                ]
            fields["upload"] = {"id": "7", "state": "COMPLETED"}
            return graphql({"data": {"completeUpload": fields}})
        if "signUploadParts" in asked:
            fields["parts"] = [{"partNumber": 1, "url": "/part/1", "sizeBytes": 3}]
            return graphql({"data": {"signUploadParts": fields}})
        received = [{"partNumber": one, "sizeBytes": 3} for one in kept]
        fields["upload"] = {"id": "7", "state": "OPEN", "partSizeBytes": 3, "partCount": 1, "receivedParts": received}
        return graphql({"data": {"startUpload": fields}})

    uploading = talking_to(answer).upload(clip, request_id="r")
    if lost < 3:
        assert (await uploading)["state"] == "COMPLETED"
    else:
        with pytest.raises(ApiError) as refused:
            await uploading
        assert refused.value.code == "MISSING_PARTS"
    assert sent == ["/part/1"] * min(lost + 1, 3)
