"""Likes acknowledged a second: at the tables' port, through the whole act, and at the RPC against bare grpc.aio that answers without writing."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1.engagement_service_pb2_grpc import (
    EngagementServiceStub,
    add_EngagementServiceServicer_to_server,
)

from bench.outcome import Aim, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.turns import Run, Turn, in_turns, timed
from mesh.auth import ViewerSigner, viewer_scope
from mesh.clock import SystemClock
from mesh.events.event import EventMaker
from mesh.ids import Ids, NodeLease, open_ids
from mesh.pages import PageTokens
from mesh.permits import Permits
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.folders import socket_folder
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from svc_social.engagement.actions import Acting, Actor, Asked
from svc_social.engagement.convert import change_to_event, key_of_act
from svc_social.engagement.rules import shard_of
from svc_social.engagement.service import EngagementServicer, engagement_service
from svc_social.engagement.store import ROW_TYPES, ActStore, CollectionStore
from svc_social.engagement.tables import Act, EngagementKind

WRITERS = 64
PORT_AIM, RPC_AIM = Aim(value=5_000, least=True), Aim(value=0.4, least=True)
PORT, ACTS = "the port", "the whole act"
OURS, OTHER = "Like", "bare grpc.aio, nothing written"
_CALL_S = 20.0
_CREATOR, _PERSON = 900, 48_151_623_421
_PER_PERMIT_S = 20.0
"""Permits live 30 s: a turn that takes longer would be refused."""


class _Scene:
    """One service with its tables, and the numbers that make every like a new one."""

    def __init__(self, tables: Tables, ids: Ids) -> None:
        clock = SystemClock()
        self.tables = tables
        self.ids = ids
        self.events = EventMaker(producer="social", next_id=ids.next, clock=clock)
        self.issuer = Permits(secrets=secrets_for("video"), clock=clock)
        self.videos = itertools.count(1_000_000)
        acts = ActStore(tables=tables)
        self.store = acts
        self.acting = Acting(
            acts=acts,
            collections=CollectionStore(tables=tables),
            requests=RequestLog(tables, clock),
            permits=Permits(secrets=secrets_for("social"), clock=clock),
            next_id=ids.next,
            events=self.events,
        )

    def requests(self, count: int) -> list[pb.LikeRequest]:
        """Likes of one person of as many videos, each with video's permit."""
        found = []
        for video_id in itertools.islice(self.videos, count):
            permit = self.issuer.issue(
                subject_id=video_id, viewer_id=_PERSON, kinds=[permit_pb2.PERMIT_KIND_ENGAGE], epoch=1, owner_id=_CREATOR
            )
            found.append(pb.LikeRequest(request_id=f"like-{video_id}", video_id=video_id, permit=permit))
        return found

    async def put(self, request: pb.LikeRequest) -> bool:
        """The row with its event alone."""
        version = self.ids.next()
        act = Act(
            video_id=request.video_id,
            shard=shard_of(_PERSON),
            kind=EngagementKind.LIKE,
            user_id=_PERSON,
            share_id=0,
            creator_id=_CREATOR,
            active=True,
            version=version,
        )
        event = self.events.make(change_to_event(None, act, personalisation=True), key=key_of_act(act), key_version=version)
        await self.store.write(act, event)
        return True

    async def act(self, request: pb.LikeRequest) -> bool:
        """Permit, request id, row and event."""
        sight = await self.acting.do(
            Actor(user_id=_PERSON, personalisation=True),
            video_id=request.video_id,
            kind=EngagementKind.LIKE,
            permit=request.permit,
            asked=Asked(method="Like", request_id=request.request_id, body=b""),
        )
        return sight.liked

    async def standing(self, requests: Sequence[pb.LikeRequest]) -> int:
        """How many of the likes can be read back."""
        found = 0
        for start in range(0, len(requests), 300):
            acts = await self.store.of_person(_PERSON, [one.video_id for one in requests[start : start + 300]])
            found += sum(act.active for act in acts.values())
        return found


async def run(plan: Plan) -> Outcome:
    """As many likes on every side, by writers at once; what was acknowledged is read back."""
    each = plan.size(40, 2)
    likes = each * WRITERS
    async with AsyncExitStack() as stack:
        scene = await _scene(stack, plan.folder)
        durable = {PORT: _liking(scene, scene.put, likes), ACTS: _liking(scene, scene.act, likes)}
        stored = await in_turns("likes", durable, repetitions=plan.size(5, 1), warm_ups=plan.size(1, 0))
        called = await in_turns("calls", await _rpcs(stack, scene, likes), repetitions=plan.size(5, 1), warm_ups=plan.size(1, 0))
    sides = {
        name: Side(name=name, unit="1/s", samples=tuple(likes / run.wall_s for run in trial.runs[name]))
        for trial in (stored, called)
        for name in trial.runs
    }
    cpu = Side(name=OURS, unit="CPU ms", samples=tuple(run.cpu_s * 1000 / likes for run in called.runs[OURS]))
    return Outcome(
        figures=[
            value("likes a second at the port", sides[PORT], aim=PORT_AIM),
            value("likes a second with permit and request id", sides[ACTS]),
            value("likes a second at the RPC", sides[OURS]),
            ratio("at the RPC against bare grpc.aio", sides[OURS], sides[OTHER], aim=RPC_AIM),
            value("CPU a like at the RPC, client and server", cpu),
        ],
        trials=[stored, called],
        sources=[
            f"{likes} likes by {WRITERS} writers; SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL; unix socket, one process; "
            f"grpcio {grpc.__version__}"
        ],
        notes=[
            "A like is one read and one durable step: the note of its request id with the row and its event.",
            f"The disk is that of {plan.folder.parent}. The bare side checks no caller, verifies no permit and writes nothing.",
        ],
    )


async def _scene(stack: AsyncExitStack, folder: Path) -> _Scene:
    clock = SystemClock()
    rows = (*ROW_TYPES, NodeLease, RequestRecord)
    tables = await open_tables(f"sqlite:///{folder}", service="social", row_types=rows, clock=clock)
    stack.push_async_callback(tables.close)
    ids = await open_ids(tables, service="social", clock=clock)
    stack.push_async_callback(ids.close)
    return _Scene(tables, ids)


async def _rpcs(stack: AsyncExitStack, scene: _Scene, likes: int) -> dict[str, Turn]:
    served = await stack.enter_async_context(serve(engagement_service(_servicer(scene)), service="social"))
    folder = stack.enter_context(socket_folder())
    bare = grpc.aio.server()
    servicer: Any = _Bare()
    add_EngagementServiceServicer_to_server(servicer, bare)
    bare.add_insecure_port(f"unix:{folder}/bare.sock")
    await bare.start()
    stack.push_async_callback(bare.stop, 0)
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"unix:{folder}/bare.sock"))
    plain = EngagementServiceStub(channel)

    async def answer(request: pb.LikeRequest) -> bool:
        return (await plain.Like(request, timeout=_CALL_S)).state.liked

    return {OURS: _called(scene, served, likes), OTHER: _liking(scene, answer, likes, stored=False)}


def _servicer(scene: _Scene) -> EngagementServicer:
    unused: Any = None
    return EngagementServicer(acting=scene.acting, collecting=unused, reading=unused, tokens=PageTokens(b"p" * 32))


class _Bare:
    """Answers a like at once."""

    async def Like(self, request: pb.LikeRequest, context: Any) -> pb.LikeResponse:  # noqa: N802
        return pb.LikeResponse(state=pb.ViewerState(video_id=request.video_id, liked=True))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.Like


def _called(scene: _Scene, served: Served, likes: int) -> Turn:
    stub = served.stub(EngagementServiceStub)
    signer = ViewerSigner(secrets=secrets_for("gateway"), clock=SystemClock())

    async def like(request: pb.LikeRequest) -> bool:
        return (await stub.Like(request, timeout=_CALL_S)).state.liked

    inner = _liking(scene, like, likes)

    async def turn() -> Run:
        # The gateway signs a viewer once a request: not what is measured here.
        with viewer_scope(signer.sign(viewer(user_id=_PERSON))):
            return await inner()

    return turn


def _liking(scene: _Scene, like: Callable[[pb.LikeRequest], Awaitable[bool]], likes: int, *, stored: bool = True) -> Turn:
    async def turn() -> Run:
        requests = scene.requests(likes)
        liked = 0

        async def some(own: Sequence[pb.LikeRequest]) -> None:
            nonlocal liked
            for request in own:
                liked += await like(request)

        async def act() -> None:
            async with asyncio.timeout(_PER_PERMIT_S), asyncio.TaskGroup() as group:
                for writer in range(WRITERS):
                    group.create_task(some(requests[writer::WRITERS]))

        async def work() -> str:
            standing = await scene.standing(requests) if stored else likes
            return f"{liked} likes acknowledged, {standing} of them there"

        return await timed(act, work)()

    return turn
