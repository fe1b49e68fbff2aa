"""A list of documents: what stands on it runs, everything else is refused by name before it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.execution.allowed import InvalidManifest, allowed_documents
from gateway.execution.engine import Asked, Engine
from gateway.execution.limits import OperationLimits
from gateway.execution.manifest import manifest, page_documents
from gateway.execution.persisted import sha256_of
from gateway.pages import WEB
from gateway.schema.root import make_schema
from tests.gateway.conftest import Opening
from tests.gateway.world import World, token
from tests.pace import cpu_ms_of

ME, ROLES = "query Me { me { email } }", "query Roles { me { roles } }"
GRAPHQL = "application/graphql-response+json"
SCHEMA = make_schema()


def engine(**limits: int) -> Engine:
    return Engine(schema=SCHEMA, limits=OperationLimits(**limits), introspection=False, cached_characters=500_000)


@pytest.fixture
def listed(tmp_path: Path) -> str:
    """A folder with one document."""
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "me.graphql").write_text(f"{ME}\n")
    return str(tmp_path / "documents")


def naming(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256_of(text)}}


async def ask(world: World, **sent: Any) -> httpx.Response:
    return await world.http.post("/graphql", json=sent, headers={"accept": GRAPHQL, "authorization": f"Bearer {token()}"})


async def test_what_is_listed_runs_by_its_text_and_by_its_hash(opened: Opening, listed: str) -> None:
    async with opened(graphql_allowed=(listed,)) as world:
        for sent in ({"query": ME}, {"query": f"{ME}\n"}, {"extensions": naming(ME)}, {"extensions": naming(f"{ME}\n")}):
            assert (await ask(world, **sent)).json() == {"data": {"me": {"email": "a@example.com"}}}
        for params in ({"query": ME}, {"extensions": json.dumps(naming(ME))}):
            answer = await world.http.get("/graphql", params=params, headers={"authorization": f"Bearer {token()}"})
            assert answer.json() == {"data": {"me": {"email": "a@example.com"}}}


OTHERS: tuple[dict[str, Any], ...] = (
    {"query": ROLES},
    {"query": ME.replace(" ", "  ")},
    {"query": "{ __schema { types { name } } }"},
    {"extensions": naming(ROLES)},
    {"query": ROLES, "extensions": naming(ROLES)},
    {"query": "{ me {"},
)


async def test_everything_else_is_refused_by_name_in_development_too(opened: Opening, listed: str) -> None:
    async with opened(graphql_allowed=(listed,)) as world:
        for sent in (*OTHERS, *OTHERS):
            answer = await ask(world, **sent)
            assert answer.status_code == 400
            assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["DOCUMENT_NOT_ALLOWED"]
        got = await world.http.get("/graphql", params={"query": ROLES})
        assert got.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_ALLOWED"
        assert not world.fakes.counted


async def test_sockets_streams_and_batches_ask_nothing_else(opened: Opening, listed: str) -> None:
    async with opened(graphql_allowed=(listed,)) as world:
        async with world.socket() as socket:
            await socket.subscribe("a", ROLES)
            message = await socket.next()
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "DOCUMENT_NOT_ALLOWED")
        stream = await world.http.post("/graphql", json={"query": ROLES}, headers={"accept": "text/event-stream"})
        assert "DOCUMENT_NOT_ALLOWED" in stream.text
        answers = (await world.http.post("/graphql", json=[{"query": ROLES}, {"query": ME}])).json()
        assert answers[0]["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_ALLOWED"
        assert "data" in answers[1]


async def test_nobody_is_invited_to_explore(opened: Opening, listed: str) -> None:
    async with opened(graphql_allowed=(listed,)) as world:
        assert (await world.http.get("/graphql", headers={"accept": "text/html"})).status_code in {400, 406}


async def test_refusing_takes_next_to_no_time(listed: str) -> None:
    documents = allowed_documents([listed], engine())

    async def refused() -> None:
        with pytest.raises(Exception, match="listed beforehand"):
            await documents.read(Asked(query="{ " + "a " * 100_000 + "}"))

    assert await cpu_ms_of(refused) < 20


def test_the_documents_of_our_pages_are_those_that_they_send() -> None:
    found = page_documents()
    assert len(found) >= 20
    assert all(text == " ".join(text.split()) for _, text in found)
    documents = allowed_documents(["pages"], engine())
    assert len(documents) == len({text for _, text in found}) == len(manifest()["operations"])
    assert {one["name"] for one in manifest()["operations"]} >= {"ForYou", "Playback", "UploadProgress", "SignUp"}


def test_pages_ask_nothing_outside_of_marked_documents() -> None:
    for module in (WEB / "js").glob("*.js"):
        text = module.read_text()
        assert text.count("gql`") == sum(name == module.name for name, _ in page_documents()), module.name


async def test_every_document_of_our_pages_may_be_asked(opened: Opening) -> None:
    async with opened(graphql_allowed=("pages",)) as world:
        for _, text in page_documents():
            answer = await world.http.post("/graphql", json={"query": text}, headers={"accept": f"{GRAPHQL}, text/event-stream"})
            assert "DOCUMENT_NOT_ALLOWED" not in answer.text, text
            assert "Cannot query" not in answer.text, text


def written(tmp_path: Path, text: str, name: str = "manifest.json") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def apollo(*operations: dict[str, Any], version: int = 1) -> str:
    return json.dumps({"format": "apollo-persisted-query-manifest", "version": version, "operations": operations})


async def test_manifests_of_clients_are_read(tmp_path: Path) -> None:
    by_hash = written(tmp_path, json.dumps({f"sha256:{sha256_of(ROLES)}": ROLES}), "roles.json")
    by_name = written(tmp_path, apollo({"id": sha256_of(ME), "name": "Me", "type": "query", "body": ME}), "me.json")
    documents = allowed_documents([by_hash, by_name], engine())
    assert len(documents) == 2
    for text in (ME, ROLES):
        assert (await documents.read(Asked(query="", persisted=sha256_of(text)))).query == text


WRONG: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "is no JSON"),
    "a list": ("[]", "is no manifest"),
    "another version": (apollo(version=2), "is no manifest"),
    "operations that are none": (
        json.dumps({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [5]}),
        "is no manifest",
    ),
    "another hash": (json.dumps({sha256_of(ROLES): ME}), "query Me is not the document that its hash"),
    "a document that is no text": (json.dumps({sha256_of(ROLES): 5}), "is not the document"),
    "a document that is broken": (json.dumps({sha256_of("query A { me {"): "query A { me {"}), "query A: Syntax Error"),
    "a field that is gone": (json.dumps({sha256_of("query B { gone }"): "query B { gone }"}), "query B: Cannot query field 'gone'"),
    "nothing": ("{}", "there is no document in it"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_list_that_cannot_be_used_is_refused_at_start_in_one_line(tmp_path: Path, what: str) -> None:
    text, reason = WRONG[what]
    path = written(tmp_path, text)
    with pytest.raises(InvalidManifest) as refused:
        allowed_documents([path], engine())
    line = str(refused.value)
    assert path in line
    assert reason in line
    assert "\n" not in line


def test_a_document_that_costs_too_much_is_refused_at_start(tmp_path: Path) -> None:
    path = written(tmp_path, "query Much { forYou(first: 20) { edges { cursor } } }", "much.graphql")
    with pytest.raises(InvalidManifest, match="it costs 71, at most 70"):
        allowed_documents([path], engine(cost=70))


async def test_a_gateway_with_a_broken_list_does_not_start(opened: Opening, tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match="there is no such file or folder"):
        async with opened(graphql_allowed=(str(tmp_path / "nowhere"),)):
            pass
