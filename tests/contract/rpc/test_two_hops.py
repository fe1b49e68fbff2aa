"""What reaches the leaf of a chain of calls when it is away: gateway -> video -> social on real servers, repeats of both hops counted together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from clipmesh.social.v1 import profile_service_pb2 as profiles
from clipmesh.social.v1 import profile_service_pb2_grpc
from clipmesh.video.v1 import video_service_pb2 as videos
from clipmesh.video.v1 import video_service_pb2_grpc

from bench.page_world import servicer
from mesh.attempts import FLOOR_TOKENS, MOST_TOKENS
from mesh.errors import MeshError, ResourceExhausted, Unavailable
from mesh.server import Access, ServedService
from mesh.testing.rpc import process_for, serve

CALLS = 300
AT_ONCE = 10
MOST = 1.1
"""Attempts at the leaf for each call that a client made."""


@dataclass(slots=True)
class Leaf:
    """Counts what reaches it, and fails as it is told."""

    fails: Callable[[int], MeshError | None]
    asked: int = 0

    async def answer(self, request: Any) -> Any:
        self.asked += 1
        failure = self.fails(self.asked)
        if failure is not None:
            raise failure
        return profiles.BatchGetProfilesResponse()


def served(descriptor: Any, add: Callable[[Any, Any], None], caller: str, method: str, answer: Callable[[Any], Any]) -> ServedService:
    # As the services declare their reads: a repeat is welcome, so nothing but the budgets holds repeats back.
    access = {one.name: Access(callers={caller}, idempotent=True) for one in descriptor.methods}
    made = servicer(descriptor)

    async def call(request: Any, context: Any) -> Any:
        return await answer(request)

    setattr(made, method, call)
    return ServedService(add_to_server=add, servicer=made, descriptor=descriptor, access=access)


@dataclass(slots=True)
class Chain:
    """A client's way to the leaf."""

    ask: Callable[[], Any]
    leaf: Leaf
    outcomes: dict[str, int] = field(default_factory=dict)

    async def many(self, calls: int) -> None:
        """So many calls, some of them at once."""
        for done in range(0, calls, AT_ONCE):
            await asyncio.gather(*(self._one() for _ in range(min(AT_ONCE, calls - done))))

    async def _one(self) -> None:
        try:
            await self.ask()
            outcome = "OK"
        except MeshError as error:
            outcome = error.code.name
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


@asynccontextmanager
async def chain(fails: Callable[[int], MeshError | None]) -> AsyncIterator[Chain]:
    leaf = Leaf(fails)
    profile_service = profiles.DESCRIPTOR.services_by_name["ProfileService"]
    video_service = videos.DESCRIPTOR.services_by_name["VideoService"]
    social = served(
        profile_service, profile_service_pb2_grpc.add_ProfileServiceServicer_to_server, "video", "BatchGetProfiles", leaf.answer
    )
    async with serve(social, service="social") as right:
        process = process_for("video", addresses={"social": right.address})
        stub = process.channels.stub(profile_service_pb2_grpc.ProfileServiceStub, "social")

        async def middle(request: Any) -> Any:
            await stub.BatchGetProfiles(profiles.BatchGetProfilesRequest(user_ids=[1]))
            return videos.BatchGetVideosResponse()

        video = served(video_service, video_service_pb2_grpc.add_VideoServiceServicer_to_server, "gateway", "BatchGetVideos", middle)
        async with serve(video, service="video", process=process) as left:
            ask = left.stub(video_service_pb2_grpc.VideoServiceStub).BatchGetVideos
            yield Chain(ask=lambda: ask(videos.BatchGetVideosRequest(video_ids=[1])), leaf=leaf)


async def test_a_leaf_that_is_away_is_asked_little_more_than_once_a_call() -> None:
    async with chain(lambda _: Unavailable("away")) as calls:
        await calls.many(CALLS)
    assert calls.outcomes == {"UNAVAILABLE": CALLS}
    assert CALLS <= calls.leaf.asked <= MOST * CALLS


async def test_a_leaf_that_loses_a_call_now_and_then_is_asked_little_more_and_nobody_hears_of_it() -> None:
    async with chain(lambda number: Unavailable("lost") if number % 25 == 0 else None) as calls:
        await calls.many(CALLS)
    assert calls.outcomes == {"OK": CALLS}
    assert CALLS < calls.leaf.asked <= MOST * CALLS


async def test_a_leaf_that_refuses_for_having_too_much_to_do_is_never_asked_twice() -> None:
    async with chain(lambda _: ResourceExhausted("too much to do")) as calls:
        await calls.many(CALLS)
    assert set(calls.outcomes) == {"RESOURCE_EXHAUSTED"}
    assert calls.leaf.asked <= CALLS


async def test_both_hops_together_spend_what_they_have_saved_and_no_more() -> None:
    async with chain(lambda _: Unavailable("away")) as calls:
        await calls.many(100)
        first = calls.leaf.asked
        await calls.many(100)
    assert first - 100 <= 2 * (MOST_TOKENS - FLOOR_TOKENS) + 4
    assert calls.leaf.asked - first == 100
