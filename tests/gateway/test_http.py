"""GraphQL over HTTP beyond the public audit: statuses, codes, masks, batches, identity."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from clipmesh.common.v1 import viewer_pb2

from mesh.errors import DeadlineRequired, MalformedRequest, PermissionDenied, ResourceExhausted, SignInRequired, Unauthenticated
from mesh.stores.tables.port import TablesUnavailable
from tests.gateway.conftest import Opening
from tests.gateway.fakes import Fakes, snowflake
from tests.gateway.world import World, token

GRAPHQL = "application/graphql-response+json"


def only_error(answer: httpx.Response) -> dict[str, object]:
    body = answer.json()
    assert "data" not in body
    assert len(body["errors"]) == 1
    error: dict[str, object] = body["errors"][0]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]  # type: ignore[index]
    return error


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ me { user { id } }", "Syntax Error"),
        ("{ nobody }", "Cannot query field 'nobody'"),
        ("query($id: ID!) { video(id: $id) { id } }", "Variable '$id' has invalid value"),
        ("fragment F on User { id }", "no operation"),
        ("query A { me { email } } query B { me { email } }", "several operations"),
        ("{ video(id: 5.5) { id } }", "ID cannot represent"),
    ],
)
@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL, 400), ("application/json", 200)])
async def test_a_refused_document_says_why_and_asks_no_service(world: World, query: str, words: str, accept: str, status: int) -> None:
    answer = await world.http.post("/graphql", json={"query": query}, headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    error = only_error(answer)
    assert words in str(error["message"])
    assert error["extensions"]["code"] == "BAD_USER_INPUT"  # type: ignore[index]
    assert not world.fakes.counted


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
        ({"content": b"{}", "headers": {"content-type": "application/json; charset=latin-1"}}, 415),
        ({"content": b"{}", "headers": {"content-type": "application/json", "content-encoding": "gzip"}}, 415),
        ({"content": b'{"query"', "headers": {"content-type": "application/json"}}, 400),
        ({"content": b'{"query": "\xff"}', "headers": {"content-type": "application/json"}}, 400),
        ({"content": b'"{ me { email } }"', "headers": {"content-type": "application/json"}}, 400),
        ({"json": {"query": " "}}, 400),
        ({"json": []}, 400),
        ({"json": [{"query": "{ __typename }"}] * 11}, 400),
        ({"json": [[{"query": "{ __typename }"}]]}, 400),
        ({"json": {"query": "{ __typename }"}, "headers": {"accept": "image/png"}}, 406),
        ({"json": {"query": "subscription { uploadProgress(uploadId: 5) { id } }"}}, 406),
    ],
)
async def test_a_request_that_is_none_is_refused_with_its_status(world: World, arguments: dict[str, object], status: int) -> None:
    answer = await world.http.post("/graphql", **arguments)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert only_error(answer)["extensions"]["code"] == "BAD_USER_INPUT"  # type: ignore[index]
    assert not world.fakes.counted


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_is_read_no_further_than_it_may_be_long(world: World, declared: bool) -> None:
    large = json.dumps({"query": "{ __typename }", "variables": {"x": "a" * 300_000}}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    content = large if declared else pieces()
    answer = await world.http.post("/graphql", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "262144 bytes" in str(only_error(answer)["message"])


async def test_get_runs_queries_with_variables(world: World) -> None:
    (video_id,) = world.fakes.fill(1)
    parameters = {"query": "query One($id: ID!) { video(id: $id) { caption } }", "variables": json.dumps({"id": str(video_id)})}
    answer = await world.http.get("/graphql", params={**parameters, "operationName": "One"}, headers={"accept": GRAPHQL})
    assert (answer.status_code, answer.json()) == (200, {"data": {"video": {"caption": "clip 1"}}})


@pytest.mark.parametrize("accept", [GRAPHQL, "application/json", "text/event-stream"])
async def test_get_never_runs_a_mutation(world: World, accept: str) -> None:
    query = 'mutation { updateProfile(input: {bio: "changed"}) { userErrors { code } } }'
    headers = {"accept": accept, "authorization": f"Bearer {token()}"}
    answer = await world.http.get("/graphql", params={"query": query}, headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert only_error(answer)["message"] == "GET takes no mutations: send them by POST"
    assert not world.fakes.counted


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(world: World, method: str) -> None:
    answer = await world.http.request(method, "/graphql", json={"query": "{ __typename }"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, OPTIONS")


async def test_a_batch_answers_each_in_order(world: World) -> None:
    (video_id,) = world.fakes.fill(1)
    sent = [{"query": "{ __typename }"}, {"query": "{ nobody }"}, {"query": f'{{ video(id: "{video_id}") {{ caption }} }}'}]
    answer = await world.http.post("/graphql", json=sent, headers={"accept": GRAPHQL})
    first, second, third = answer.json()
    assert answer.status_code == 200
    assert first == {"data": {"__typename": "Query"}}
    assert second["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert third == {"data": {"video": {"caption": "clip 1"}}}


async def test_a_batch_holds_no_subscriptions(world: World) -> None:
    sent = [{"query": "{ __typename }"}, {"query": "subscription { uploadProgress(uploadId: 5) { id } }"}]
    answer = await world.http.post("/graphql", json=sent)
    assert answer.status_code == 400
    assert not world.fakes.counted


async def test_a_request_id_of_the_client_is_kept_when_it_is_harmless(world: World) -> None:
    kept = await world.post("{ nobody }", headers={"x-request-id": "client-0001"})
    assert only_error(kept)["extensions"]["requestId"] == "client-0001"  # type: ignore[index]
    other = await world.post("{ nobody }", headers={"x-request-id": 'x" injected'})
    assert len(other.headers["x-request-id"]) == 36


async def test_an_unexpected_failure_is_masked_and_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    (video_id,) = world.fakes.fill(1)

    async def broken(request: object) -> object:
        world.fakes.videos[video_id].state = 99  # type: ignore[assignment]
        return await world.fakes.batch_get_videos(request)

    world.fakes.answers["BatchGetVideos"] = broken
    with caplog.at_level(logging.ERROR, "clipmesh.gateway"):
        answer = await world.post("query($id: ID!) { video(id: $id) { caption state } }", id=str(video_id))
    (error,) = answer.json()["errors"]
    assert answer.status_code == 200
    assert answer.json()["data"] == {"video": None}
    assert error["message"] == "something went wrong on our side"
    assert error["path"] == ["video", "state"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}
    assert "VideoState" not in answer.text
    assert [record.error_type for record in caplog.records] == ["ValueError"]  # type: ignore[attr-defined]


async def test_a_fault_of_a_service_keeps_its_code(world: World) -> None:
    async def overloaded(request: object) -> object:
        raise ResourceExhausted("later, please", retry_after_ms=1_500)

    async def forbidden(request: object) -> object:
        raise PermissionDenied("moderators decide")

    world.fakes.answers |= {"GetForYou": overloaded, "ListReviews": forbidden}
    body = await world.ask("{ forYou { servedBy } }", bearer=token())
    assert body["data"] == {"forYou": None}
    assert body["errors"][0]["message"] == "later, please"
    assert {key: body["errors"][0]["extensions"][key] for key in ("code", "retryAfterMs")} == {
        "code": "RATE_LIMITED",
        "retryAfterMs": 1_500,
    }
    body = await world.ask("{ reviewQueue { edges { cursor } } }", bearer=token())
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_service_without_its_store_says_when_to_ask_again(world: World) -> None:
    async def without_tables(request: object) -> object:
        raise TablesUnavailable("tables of feed")

    world.fakes.answers["GetForYou"] = without_tables
    body = await world.ask("{ forYou { servedBy } }", bearer=token())
    assert body["data"] == {"forYou": None}
    (error,) = body["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryAfterMs"]) == ("UNAVAILABLE", 1_000)
    assert "tables" not in error["message"]


@pytest.mark.parametrize("error", [Unauthenticated("the viewer's signature is expired"), MalformedRequest(), DeadlineRequired()])
async def test_what_a_service_holds_against_the_gateway_is_no_fault_of_the_client(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """UNAUTHENTICATED would sign the person out, BAD_USER_INPUT would have them mend what is right."""

    async def blaming(_: object) -> object:
        raise error

    world.fakes.answers |= {"GetForYou": blaming, "UpdateProfile": blaming}
    mutation = 'mutation { updateProfile(input: {bio: "x"}) { userErrors { code } } }'
    with caplog.at_level(logging.ERROR, "clipmesh.gateway"):
        for document in ("{ forYou { servedBy } }", mutation):
            answer = await world.post(document, bearer=token())
            assert answer.status_code == 200
            (told,) = answer.json()["errors"]
            assert (told["message"], told["extensions"]["code"]) == ("something went wrong on our side", "INTERNAL")
    assert [record.reason for record in caplog.records if record.name == "clipmesh.gateway"] == [error.reason] * 2  # type: ignore[attr-defined]


async def test_who_has_to_sign_in_hears_so(world: World) -> None:
    async def asking(_: object) -> object:
        raise SignInRequired

    world.fakes.answers["UpdateProfile"] = asking
    body = await world.ask('mutation { updateProfile(input: {bio: "x"}) { userErrors { code } } }')
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_variable_that_is_null_where_it_must_not_be_is_the_clients_mistake(world: World) -> None:
    body = await world.ask("query($first: Int) { forYou(first: $first) { servedBy } }", first=None)
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Bearer nonsense", "the token is malformed"),
        ("Basic dXNlcjpwYXNz", "authorization has to be `Bearer <access token>`"),
        (f"Bearer {token(issued_at_ms=int(time.time() * 1000) - 700_000)}", "the token is expired or not valid yet"),
    ],
)
async def test_a_token_that_is_no_good_is_told_as_401_with_its_reason(world: World, authorization: str, reason: str) -> None:
    for accept in (GRAPHQL, "application/json"):
        answer = await world.http.post(
            "/graphql", json={"query": "{ me { email } }"}, headers={"authorization": authorization, "accept": accept}
        )
        assert answer.status_code == 401
        error = only_error(answer)
        assert (error["message"], error["extensions"]["code"]) == (reason, "UNAUTHENTICATED")  # type: ignore[index]
        assert answer.headers["www-authenticate"] == f'Bearer error="invalid_token", error_description="{reason}"'
    assert not world.fakes.counted


async def test_no_keys_means_unavailable_and_not_anonymous(opened: Opening, fakes: Fakes) -> None:
    async with opened() as world:
        await fakes.servers["social"].server.stop(drain_wait_ms=0, grace_ms=0)
        answer = await world.post("{ me { email } }", bearer=token())
    assert answer.status_code == 503
    assert only_error(answer)["extensions"]["code"] == "UNAVAILABLE"  # type: ignore[index]


async def test_the_viewer_travels_to_the_services(world: World) -> None:
    world.fakes.fill(1)
    await world.ask("{ forYou { servedBy } }", bearer=token(user_id=41, roles=[viewer_pb2.ROLE_CREATOR]))
    viewer = next(call.viewer for call in world.fakes.calls if call.method == "GetForYou")
    assert (viewer.user_id, viewer.handle, list(viewer.roles), viewer.region) == (41, "user41", [viewer_pb2.ROLE_CREATOR], "US")


async def test_a_browser_that_objects_to_profiling_withholds_its_consents(world: World) -> None:
    bearer = token(consents=[viewer_pb2.CONSENT_PURPOSE_ADS, viewer_pb2.CONSENT_PURPOSE_PERSONALISATION])
    for headers in ({}, {"sec-gpc": "1"}):
        await world.post("{ forYou { servedBy } }", bearer=bearer, headers=headers)
    consents = [list(call.viewer.consents) for call in world.fakes.calls if call.method == "GetForYou"]
    assert consents == [[viewer_pb2.CONSENT_PURPOSE_ADS, viewer_pb2.CONSENT_PURPOSE_PERSONALISATION], []]


async def test_the_answer_tells_nothing_of_fields_that_sound_alike(world: World) -> None:
    for query in ("{ forYo { servedBy } }", '{ reviewQueue(state: "OPE") { edges { cursor } } }'):
        assert "Did you mean" not in (await world.post(query)).text
    query = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { userErrors { code } } }"
    assert "Did you mean" not in (await world.post(query, input={"bioo": "x"})).text


async def test_introspection_and_graphiql_are_for_development_alone(opened: Opening) -> None:
    question = "{ __schema { queryType { name } } }"
    async with opened() as world:
        assert (await world.ask(question))["data"]["__schema"]["queryType"]["name"] == "Query"
        page = await world.http.get("/graphql", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    async with opened(development=False) as world:
        refused = await world.post(question)
        assert refused.status_code == 400
        assert "introspection has been disabled" in refused.json()["errors"][0]["message"]
        assert (await world.http.get("/graphql", headers={"accept": "text/html"})).status_code == 406
        assert (await world.http.get("/graphql", headers={"accept": "text/html,*/*"})).status_code == 400


async def test_an_id_that_is_none_changes_and_asks_nothing(world: World) -> None:
    for wrong in ("0", "-1", "abc", "9" * 30, "1.5", ""):
        body = await world.ask("mutation($id: ID!) { deleteVideo(input: {videoId: $id}) { deletedVideoId } }", bearer=token(), id=wrong)
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert not world.fakes.counted


async def test_nodes_are_fetched_together(world: World) -> None:
    ids = world.fakes.fill(3)
    wanted = [str(one) for one in (*ids, snowflake("social", 1), snowflake("sound", 2), snowflake("feed", 1))]
    body = await world.ask("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=wanted)
    assert [node and node["__typename"] for node in body["data"]["nodes"]] == ["Video", "Video", "Video", "User", "Sound", None]
    assert world.fakes.counted == {"video.BatchGetVideos": 1, "social.BatchGetProfiles": 1, "sound.BatchGetSounds": 1}
