"""One RPC through our whole chain (identity, deadline, limit, validation, telemetry, errors; retries and tokens of the client) against bare grpc.aio."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from clipmesh.video.v1 import video_service_pb2 as pb
from clipmesh.video.v1.video_service_pb2_grpc import VideoServiceStub, add_VideoServiceServicer_to_server

from bench.outcome import Outcome, Side, ratio
from bench.page_world import VIDEO_SERVICE, batch_get_videos, servicer, video_ids, video_services
from bench.plan import Plan
from bench.turns import Turn, in_turns, timed
from mesh.testing.folders import socket_folder
from mesh.testing.rpc import serve

AT_ONCE = 32
OURS, OTHER = "our chain", "bare grpc.aio"
_CALL_S = 10.0
_REQUEST = pb.BatchGetVideosRequest(video_ids=video_ids()[:1])

Ask = Callable[[], Awaitable[Any]]


async def run(plan: Plan) -> Outcome:
    """Client and server in this process on a unix socket, both sides the same servicer, message and number of calls."""
    calls = plan.size(3_000, 64)
    with socket_folder() as folder:
        bare = grpc.aio.server()
        add_VideoServiceServicer_to_server(servicer(VIDEO_SERVICE, BatchGetVideos=batch_get_videos), bare)
        address = f"unix:{folder}/bare.sock"
        bare.add_insecure_port(address)
        await bare.start()
        try:
            async with serve(*video_services(), service="video") as served, grpc.aio.insecure_channel(address) as channel:
                chained = served.stub(VideoServiceStub)
                plain = VideoServiceStub(channel)
                sides = {
                    OURS: _asking(lambda: chained.BatchGetVideos(_REQUEST, timeout=_CALL_S), calls),
                    OTHER: _asking(lambda: plain.BatchGetVideos(_REQUEST, timeout=_CALL_S), calls),
                }
                trial = await in_turns("calls", sides, repetitions=plan.size(7, 2), warm_ups=1)
        finally:
            await bare.stop(0)
    of = {
        (side, unit): Side(name=side, unit=unit, samples=tuple(getattr(run, kind) * 1e6 / calls for run in trial.runs[side]))
        for side in sides
        for unit, kind in (("CPU us", "cpu_s"), ("us", "wall_s"))
    }
    return Outcome(
        figures=[
            ratio("CPU of a call, client and server", of[OURS, "CPU us"], of[OTHER, "CPU us"]),
            ratio(f"time of a call, {AT_ONCE} at once", of[OURS, "us"], of[OTHER, "us"]),
        ],
        trials=[trial],
        sources=[f"{calls} calls a turn, {AT_ONCE} at once, unix socket, one process; grpcio {grpc.__version__}"],
    )


def _asking(ask: Ask, calls: int) -> Turn:
    answers: list[bytes] = []

    async def act() -> None:
        answers.clear()

        async def some(count: int) -> None:
            for _ in range(count):
                answers.append((await ask()).SerializeToString(deterministic=True))

        async with asyncio.TaskGroup() as group:
            for first in range(AT_ONCE):
                group.create_task(some(len(range(first, calls, AT_ONCE))))

    async def work() -> str:
        kinds = {hashlib.sha256(answer).hexdigest()[:16] for answer in answers}
        return f"{len(answers)} answers {' '.join(sorted(kinds))}"

    return timed(act, work)
