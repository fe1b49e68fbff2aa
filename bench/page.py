"""CPU of the gateway for a GraphQL page of 20 videos with their creators, against the same two RPCs and orjson on the same HTTP server."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from clipmesh.social.v1.profile_service_pb2 import BatchGetProfilesRequest
from clipmesh.video.v1.video_service_pb2 import BatchGetVideosRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.outcome import Aim, Outcome, Side, ratio
from bench.page_world import VIDEOS, video_ids
from bench.plan import Plan
from bench.turns import Run, Turn, in_turns
from devstack.health import until
from gateway.app import GatewayApp
from gateway.clients import Clients
from gateway.settings import GatewaySettings
from mesh.app import Process
from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import start_redis
from mesh.testing.rpc import process_for

AIM = Aim(value=2.0)
OURS, OTHER = "GraphQL", "gRPC and orjson"
_QUERY = "query($ids: [ID!]!) { videos(ids: $ids) { id caption hashtags durationMs width height creator { id handle } } }"
_NAMED = {"session_cookie_key": b"c" * 32, "blob_url_key": b"u" * 32, "page_token_key": b"p" * 32}
_ANSWER_S = 120.0
_ROOT = Path(__file__).resolve().parents[1]
_UNBOUNDED = 1_000_000_000
"""Rate limits are at work, and never bite."""


class PeerFailed(Exception):
    """The other process did not answer."""


async def run(plan: Plan) -> Outcome:
    """CPU of this process alone, which is the gateway: services and client are in another."""
    requests = plan.size(300, 5)
    with socket_folder() as folder:
        redis = await start_redis(folder)
        try:
            async with _peer() as peer:
                served = await _told(peer)
                # Nobody asks the others anything, the gateway only wants to know where they are.
                addresses = {**dict.fromkeys(("feed", "sound", "rights"), served["video"]), **served}
                settings = GatewaySettings(
                    secrets="",
                    testing=True,
                    redis=redis.url,
                    blobs=f"file://{folder}/blobs",
                    port=0,
                    rate_address_burst=_UNBOUNDED,
                    rate_address_per_s=_UNBOUNDED,
                )
                process = process_for("gateway", addresses=addresses, named=_NAMED, settings=settings)
                trial = await _measured(plan, peer, process, settings, requests)
        finally:
            await redis.stop()
    ours, other = (
        Side(name=side, unit="CPU ms", samples=tuple(run.cpu_s * 1000 / requests for run in trial.runs[side])) for side in (OURS, OTHER)
    )
    return Outcome(
        figures=[ratio(f"page of {VIDEOS} with creators", ours, other, aim=AIM)],
        trials=[trial],
        sources=[f"{requests} requests a turn on one connection, anonymous, the same document every time"],
        notes=["Both answer the same data; rate limits, cost, validation and telemetry are in ours alone."],
    )


async def _measured(plan: Plan, peer: asyncio.subprocess.Process, process: Process, settings: GatewaySettings, requests: int) -> Any:
    app = GatewayApp(process=process, settings=settings)
    floor = PlainServer(_floor(process))
    ids = [str(one) for one in video_ids()]
    try:
        await app.start()
        await floor.start()
        asked = json.dumps({"query": _QUERY, "variables": {"ids": ids}})
        sides = {
            OURS: _asking(peer, {"port": app.port, "path": "/graphql", "body": asked, "requests": requests}),
            OTHER: _asking(peer, {"port": floor.port, "path": "/page", "body": json.dumps({"ids": ids}), "requests": requests}),
        }
        return await in_turns("pages", sides, repetitions=plan.size(7, 2), warm_ups=1)
    finally:
        await floor.stop()
        await app.stop()
        await process.close()


class PlainServer(uvicorn.Server):
    """uvicorn as it comes, on a free port; signals stay with the process that runs it."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off"))
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @property
    def port(self) -> int:
        """The port that it got."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Return when it answers."""
        self._task = asyncio.create_task(self.serve(), name="floor")
        await until(self._answers, timeout_s=_ANSWER_S)

    async def _answers(self) -> bool:
        return self.started or (self._task is not None and self._task.done())

    async def stop(self) -> None:
        """End; safe when it never began."""
        self.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _floor(process: Process) -> Starlette:
    """What a page costs where nobody may ask for anything else."""
    clients = Clients.open(process.channels)

    async def page(request: Request) -> Response:
        ids = [int(one) for one in orjson.loads(await request.body())["ids"]]
        videos = (await clients.videos.BatchGetVideos(BatchGetVideosRequest(video_ids=ids))).videos
        people = (await clients.profiles.BatchGetProfiles(BatchGetProfilesRequest(user_ids=[one.creator_id for one in videos]))).profiles
        creators = {one.user_id: {"id": str(one.user_id), "handle": one.handle} for one in people}
        shown = [
            {
                "id": str(one.video_id),
                "caption": one.caption,
                "hashtags": list(one.hashtags),
                "durationMs": one.duration_ms,
                "width": one.width,
                "height": one.height,
                "creator": creators.get(one.creator_id),
            }
            for one in videos
        ]
        return Response(orjson.dumps({"data": {"videos": shown}}), media_type="application/json")

    return Starlette(routes=[Route("/page", page, methods=["POST"])])


def _asking(peer: asyncio.subprocess.Process, question: Mapping[str, Any]) -> Turn:
    async def turn() -> Run:
        assert peer.stdin is not None
        cpu, wall = time.process_time(), time.perf_counter()
        peer.stdin.write(json.dumps(question).encode() + b"\n")
        answers = (await _told(peer))["answers"]
        return Run(
            wall_s=time.perf_counter() - wall,
            cpu_s=time.process_time() - cpu,
            work=", ".join(f"{count} x {answer}" for answer, count in sorted(answers.items())),
        )

    return turn


@asynccontextmanager
async def _peer() -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.page_peer", cwd=_ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10.0)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _told(peer: asyncio.subprocess.Process) -> dict[str, Any]:
    assert peer.stdout is not None
    async with asyncio.timeout(_ANSWER_S):
        line = await peer.stdout.readline()
    if not line:
        raise PeerFailed("the process with the services ended")
    told: dict[str, Any] = json.loads(line)
    return told
