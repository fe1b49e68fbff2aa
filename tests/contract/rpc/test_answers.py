"""A repeated write is answered from memory for a minute: to the same caller and viewer, for the same request, and never past the checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from clipmesh.social.v1 import profile_service_pb2, profile_service_pb2_grpc
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub

from mesh.errors import Aborted, InvalidArgument, PermissionDenied, Unauthenticated
from mesh.server import SIGNED_IN, Access, RefusedToStart, ServedService
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, serve, viewer

ALICE, BOB = 1_001, 1_002
DESCRIPTOR = profile_service_pb2.DESCRIPTOR.services_by_name["ProfileService"]
OURS = {"gateway", "feed"}


class Profiles(profile_service_pb2_grpc.ProfileServiceServicer):
    """Answers each call with its number, and what a test wants refused with a conflict."""

    def __init__(self) -> None:
        self.calls = 0
        self.refusals = 0
        self.padding = ""

    async def UpdateProfile(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls += 1
        if self.refusals:
            self.refusals -= 1
            raise Aborted
        profile = profile_service_pb2.Profile(version=self.calls, bio=self.padding)
        return profile_service_pb2.UpdateProfileResponse(profile=profile)

    async def UpdateConsents(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.calls += 1
        account = profile_service_pb2.Account(profile=profile_service_pb2.Profile(version=self.calls))
        return profile_service_pb2.UpdateConsentsResponse(account=account)


def service_of(profiles: Profiles, *, keeps: str = "UpdateProfile", idempotent: bool = True) -> ServedService:
    return ServedService(
        add_to_server=profile_service_pb2_grpc.add_ProfileServiceServicer_to_server,
        servicer=profiles,
        descriptor=DESCRIPTOR,
        access={
            method.name: Access(callers=OURS, viewer=SIGNED_IN, idempotent=idempotent, keeps_answers=method.name == keeps)
            for method in DESCRIPTOR.methods
        },
    )


class World:
    """The server, what it was asked, and one way to ask."""

    def __init__(self, served: Served, profiles: Profiles, clock: FakeClock) -> None:
        self.served, self.profiles, self.clock = served, profiles, clock

    async def ask(self, *, request_id: str = "r", bio: str = "x", user_id: int = ALICE, caller: str = "gateway") -> int:
        """The number of the call that answered."""
        stub = self.served.stub(ProfileServiceStub, caller=caller, viewer=viewer(user_id=user_id))
        answer = await stub.UpdateProfile(profile_service_pb2.UpdateProfileRequest(request_id=request_id, bio=bio))
        return int(answer.profile.version)


@asynccontextmanager
async def world_of(*, answers_kept: int = 8, keeps: str = "UpdateProfile") -> AsyncIterator[World]:
    profiles, clock = Profiles(), FakeClock()
    async with serve(service_of(profiles, keeps=keeps), service="social", clock=clock, answers_kept=answers_kept) as served:
        yield World(served, profiles, clock)


async def test_a_repeat_within_a_minute_gets_the_first_answer_without_the_servicer() -> None:
    async with world_of() as world:
        assert [await world.ask() for _ in range(3)] == [1, 1, 1]
        world.clock.advance(59_999)
        assert await world.ask() == 1
        world.clock.advance(1)
        assert [await world.ask() for _ in range(2)] == [2, 2]
        assert world.profiles.calls == 2


async def test_another_id_body_viewer_or_caller_is_another_request() -> None:
    async with world_of() as world:
        asked: list[dict[str, Any]] = [{}, {"request_id": "s"}, {"bio": "y"}, {"user_id": BOB}, {"caller": "feed"}]
        assert [await world.ask(**request) for request in asked] == [1, 2, 3, 4, 5]
        assert [await world.ask(**request) for request in asked] == [1, 2, 3, 4, 5]


async def test_a_refusal_is_not_kept() -> None:
    async with world_of() as world:
        world.profiles.refusals = 1
        with pytest.raises(Aborted):
            await world.ask()
        assert [await world.ask(), await world.ask()] == [2, 2]


async def test_every_check_stands_before_a_kept_answer() -> None:
    async with world_of() as world:
        await world.ask()
        with pytest.raises(PermissionDenied):
            await world.ask(caller="stranger")
        with pytest.raises(Unauthenticated):
            await world.ask(user_id=0)
        for _ in range(2):
            with pytest.raises(InvalidArgument):
                await world.ask(request_id="")
        assert world.profiles.calls == 1


async def test_the_oldest_answer_goes_first_and_large_ones_are_not_kept() -> None:
    async with world_of(answers_kept=2) as world:
        assert [await world.ask(request_id=name) for name in "abc"] == [1, 2, 3]
        assert [await world.ask(request_id=name) for name in "cba"] == [3, 2, 4]
        world.profiles.padding = "x" * 20_000
        assert [await world.ask(request_id="d") for _ in range(2)] == [5, 6]
    async with world_of(answers_kept=0) as world:
        assert [await world.ask() for _ in range(2)] == [1, 2]


async def test_a_method_that_does_not_say_so_is_asked_every_time() -> None:
    async with world_of(keeps="") as world:
        assert [await world.ask() for _ in range(2)] == [1, 2]
    async with world_of() as world:
        stub = world.served.stub(ProfileServiceStub, viewer=viewer(user_id=ALICE))
        for at in (1, 2):
            answer = await stub.UpdateConsents(profile_service_pb2.UpdateConsentsRequest())
            assert answer.account.profile.version == at


def test_a_method_with_request_ids_that_is_said_not_to_be_repeatable_refuses_to_start() -> None:
    with pytest.raises(RefusedToStart, match=r"UpdateProfile takes a request_id"):
        service_of(Profiles(), idempotent=False).check()


def test_a_method_without_request_ids_that_would_keep_answers_refuses_to_start() -> None:
    with pytest.raises(RefusedToStart, match=r"UpdateConsents takes no request_id"):
        service_of(Profiles(), keeps="UpdateConsents").check()
