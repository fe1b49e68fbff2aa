"""A reader of multipart answers as strict as the clients that read them: a part is whole as soon as the boundary behind it is there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.gateway.world import WAIT_S, World

BOUNDARY = b"\r\n--graphql"


async def parts_of(answer: httpx.Response) -> AsyncIterator[Any]:
    """JSON of each part; AssertionError for what is no multipart."""
    read, ended = b"", False
    async for chunk in answer.aiter_raw():
        read += chunk
        while not ended and (at := read.find(BOUNDARY)) >= 0:
            part, read = read[:at], read[at + len(BOUNDARY) :]
            if part:
                assert part.startswith(b"\r\n"), part
                head, _, body = part.partition(b"\r\n\r\n")
                assert head == b"\r\ncontent-type: application/json; charset=utf-8"
                yield json.loads(body)
        ended = ended or read.startswith(b"--")
    assert ended
    assert read == b"--\r\n"


@contextlib.asynccontextmanager
async def in_parts(
    world: World, query: str, *, spec: str = "incrementalSpec=v0.2", bearer: str = "", **variables: Any
) -> AsyncIterator[AsyncIterator[Any]]:
    """The parts of an operation as they come."""
    accept = f"multipart/mixed; {spec}, application/graphql-response+json"
    headers = {"accept": accept, **({"authorization": f"Bearer {bearer}"} if bearer else {})}
    async with (
        asyncio.timeout(WAIT_S),
        world.http.stream("POST", "/graphql", json={"query": query, "variables": variables}, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == f'multipart/mixed; boundary="graphql"; {spec}'
        yield parts_of(answer)


def merged(parts: list[Any]) -> Any:
    """The whole answer of parts in the form PENDING, as clients put it together; AssertionError for an unknown id, or one that never completes."""
    first, *rest = parts
    data, pending = first["data"], {one["id"]: one["path"] for one in first.get("pending", ())}
    for part in rest:
        pending |= {one["id"]: one["path"] for one in part.get("pending", ())}
        for one in part.get("incremental", ()):
            merge(data, [*pending[one["id"]], *one.get("subPath", ())], one["data"])
        for one in part.get("completed", ()):
            del pending[one["id"]]
    assert not pending
    assert [part["hasNext"] for part in parts] == [True] * (len(parts) - 1) + [False]
    return data


def merge(data: Any, path: list[str | int], patch: dict[str, Any]) -> None:
    """Write a patch into the object at a path."""
    at = data
    for key in path:
        at = at[key]
    _into(at, patch)


def _into(at: Any, patch: Any) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(at.get(key), dict):
            _into(at[key], value)
        else:
            at[key] = value
