"""A worker's answers reach the service, however often it is away."""

from __future__ import annotations

import asyncio

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh.status import RpcAborted, RpcFailed, RpcInvalidArgument, RpcUnavailable
from mesh.testing.clock import FakeClock
from svc_video.processing.worker import lease
from svc_video.processing.worker.errors import LeaseGone
from svc_video.processing.worker.lease import Failure, HeldJob, tail


class Stub:
    """Answers each call with the next of `answers`; None is success."""

    def __init__(self, *answers: RpcFailed | None) -> None:
        self._answers = list(answers)
        self.requests: list[object] = []

    async def CommitJob(self, request: object, *, timeout: float) -> object:  # noqa: N802
        """Noted."""
        self.requests.append(request)
        answer = self._answers.pop(0)
        if answer is not None:
            raise answer
        return object()

    FailJob = CommitJob

    async def Heartbeat(self, request: object, *, timeout: float) -> pb2.HeartbeatResponse:  # noqa: N802
        """Noted."""
        await self.CommitJob(request, timeout=timeout)
        return pb2.HeartbeatResponse(lease_ms=LEASE_MS)


LEASE_MS = 20_000


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two tries."""
    monkeypatch.setattr(lease, "_SHORTEST_PAUSE_S", 0.0)


def held(stub: Stub, clock: FakeClock | None = None) -> HeldJob:
    """A job under fence 9."""
    job = pb2.Job(video_id=1, job_key="probe", fence=9, lease_ms=LEASE_MS)
    return HeldJob(stub=stub, job=job, clock=clock or FakeClock(), heartbeat_ms=1)  # type: ignore[arg-type]


async def test_a_commit_is_repeated_until_the_service_knows() -> None:
    stub = Stub(RpcUnavailable(), RpcAborted(reason="CONFLICT"), RpcUnavailable(), None)
    await held(stub).commit("{}")
    assert stub.requests == [pb2.CommitJobRequest(video_id=1, job_key="probe", fence=9, result_json="{}")] * 4


async def test_a_lost_lease_ends_the_repeats() -> None:
    stub = Stub(RpcUnavailable(), RpcAborted(reason="LEASE_LOST"))
    with pytest.raises(LeaseGone):
        await held(stub).fail(Failure("TOOL_FAILED", "it broke"))
    assert len(stub.requests) == 2


async def test_a_refusal_is_not_repeated() -> None:
    stub = Stub(RpcInvalidArgument())
    with pytest.raises(RpcInvalidArgument):
        await held(stub).commit("nonsense")
    assert len(stub.requests) == 1


def test_the_tail_is_the_end_and_whole_characters() -> None:
    assert tail("begin" + "é" * 3_000) == "é" * 2_048
    assert tail("short") == "short"


async def test_a_lease_that_nobody_renews_runs_out_by_the_workers_own_clock() -> None:
    clock = FakeClock()

    class Away(Stub):
        async def Heartbeat(self, request: object, *, timeout: float) -> pb2.HeartbeatResponse:  # noqa: N802
            clock.advance(LEASE_MS // 4)
            return await super().Heartbeat(request, timeout=timeout)

    stub = Away(None, *[RpcUnavailable()] * 9)
    begun_ms = clock.monotonic_ms()
    async with asyncio.timeout(15):
        await held(stub, clock).keep()
    assert clock.monotonic_ms() - begun_ms == LEASE_MS, "the time that the answer took is not counted as lease"
    assert len(stub.requests) == 4


async def test_heartbeats_make_the_lease_last() -> None:
    clock = FakeClock()

    class Slow(Stub):
        async def Heartbeat(self, request: object, *, timeout: float) -> pb2.HeartbeatResponse:  # noqa: N802
            clock.advance(LEASE_MS // 2)
            return await super().Heartbeat(request, timeout=timeout)

    stub = Slow(*[None] * 5, RpcAborted(reason="LEASE_LOST"))
    async with asyncio.timeout(15):
        await held(stub, clock).keep()
    assert len(stub.requests) == 6
