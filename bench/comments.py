"""A page of 50 comments with replies: how many reads of comments a level costs, and the RPC against nothing but the reads that it makes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1.comment_service_pb2_grpc import CommentServiceStub

from bench.outcome import Aim, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.turns import Run, Turn, cpu_s, in_turns
from mesh.auth import ViewerSigner, viewer_scope
from mesh.clock import SystemClock
from mesh.events.event import EventMaker
from mesh.ids import NodeLease, open_ids
from mesh.permits import Permits
from mesh.sealing import KeptKeys, PersonSealer
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from svc_social.comments import store as comments_store
from svc_social.comments.policy import Judged, Verdict
from svc_social.comments.tables import Comment
from svc_social.comments.wiring import wire
from svc_social.graph import store as graph_store
from svc_social.graph.wiring import relations_on
from svc_social.identity.actions import Profiles
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.people import HANDLE, People
from svc_social.identity.store import ROW_TYPES, AccountStore, NameStore, PersonKeyStore
from svc_social.identity.tables import Account

PAGE, LEVELS, CHILDREN, PEOPLE = 50, 3, 2, 40
READS_AIM = Aim(value=1)
OURS, OTHER = "ListComments", "its reads alone"
_CREATOR, _READER, _VIDEO = 900, 48_151_623_421, 700_001
_WARM_UPS = 3
_AT_ONCE = 2
"""Threads that are written side by side: more would only make the service hold callers back."""
_TEXT = "What a clip, I have seen it three times by now and it gets better each time. "


class _Watched:
    """Tables that write down what is read."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.reads: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    async def get(self, *arguments: Any) -> Any:
        self.reads.append(("get", arguments, {}))
        return await self._tables.get(*arguments)

    async def get_many(self, *arguments: Any) -> Any:
        self.reads.append(("get_many", arguments, {}))
        return await self._tables.get_many(*arguments)

    async def scan(self, *arguments: Any, **options: Any) -> Any:
        self.reads.append(("scan", arguments, options))
        return await self._tables.scan(*arguments, **options)


class _Allowing:
    """A text policy that lets everything pass: writing is not what is measured."""

    async def judge(self, text: str, *, language: str, is_new: bool, age_band: int) -> Judged:
        return Judged(verdict=Verdict.ALLOW)


async def run(plan: Plan) -> Outcome:
    """The same page again and again, one caller at a time."""
    async with AsyncExitStack() as stack:
        watched, served, requests = await _scene(stack, plan.folder, threads=plan.size(60, 4))
        stub = served.stub(CommentServiceStub)
        signer = ViewerSigner(secrets=secrets_for("gateway"), clock=SystemClock())
        # The gateway signs a viewer once a request: not what is measured here.

        async def page() -> int:
            return _count((await stub.ListComments(requests(), timeout=20.0)).comments)

        with viewer_scope(signer.sign(viewer(user_id=_READER))):
            for _ in range(_WARM_UPS):
                # The keys of people are kept from the first page on, as they are in a process that serves.
                shown = await page()
            watched.reads.clear()
            await page()
        reads = list(watched.reads)
        of_comments = sum(arguments[0] is Comment for _, arguments, _ in reads)

        async def read() -> int:
            for name, arguments, options in reads:
                await getattr(watched._tables, name)(*arguments, **options)
            return shown

        each = plan.size(50, 3)
        trial = await in_turns("pages", {OURS: _turn(page, each, signer), OTHER: _turn(read, each, signer)}, repetitions=plan.size(5, 1))
    sides = {name: Side(name=name, unit="ms", samples=tuple(_p99(run.each_ms) for run in runs)) for name, runs in trial.runs.items()}
    cpu = Side(name=OURS, unit="CPU ms", samples=tuple(run.cpu_s * 1000 / each for run in trial.runs[OURS]))
    return Outcome(
        figures=[
            value("reads of comments a level", Side(name=OURS, unit="reads", samples=(of_comments / LEVELS,)), aim=READS_AIM),
            value("reads of a page in all", Side(name=OURS, unit="reads", samples=(float(len(reads)),))),
            value("a page over RPC, p99", sides[OURS]),
            ratio("over RPC against its reads alone, p99", sides[OURS], sides[OTHER]),
            value("CPU a page, client and server", cpu),
        ],
        trials=[trial],
        sources=[
            f"{PAGE} threads of {shown} comments in {LEVELS} levels by {PEOPLE} people, {len(_TEXT)} letters each; "
            f"SQLite {sqlite3.sqlite_version}; unix socket, one process; grpcio {grpc.__version__}"
        ],
        notes=[
            "The reads alone come one after the other; the RPC makes the last three of them side by side, opens texts and names, and builds the answer.",
            "Reads beside those of comments: the pin, months and threads, blocks, likes and the viewer's own, accounts. Keys are kept in memory.",
        ],
    )


def _p99(samples: Sequence[float]) -> float:
    return sorted(samples)[int(0.99 * (len(samples) - 1))]


def _count(nodes: Sequence[pb.CommentNode]) -> int:
    return sum(1 + _count(node.children) for node in nodes)


def _turn(act: Callable[[], Awaitable[int]], times: int, signer: ViewerSigner) -> Turn:
    async def turn() -> Run:
        each, shown = [], 0
        cpu, wall = cpu_s(), time.perf_counter()
        for _ in range(times):
            with viewer_scope(signer.sign(viewer(user_id=_READER))):
                begun = time.perf_counter()
                shown = await act()
                each.append((time.perf_counter() - begun) * 1000)
        wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
        return Run(wall_s=wall, cpu_s=cpu, work=f"{times} pages of {shown} comments", each_ms=tuple(each))

    return turn


async def _scene(stack: AsyncExitStack, folder: Path, *, threads: int) -> tuple[_Watched, Served, Callable[[], pb.ListCommentsRequest]]:
    """A service with a video's threads, and requests for their first page with a fresh permit each."""
    clock = SystemClock()
    rows = (*ROW_TYPES, *graph_store.ROW_TYPES, *comments_store.ROW_TYPES, NodeLease, RequestRecord)
    tables = await open_tables(f"sqlite:///{folder}", service="social", row_types=rows, clock=clock)
    stack.push_async_callback(tables.close)
    ids = await open_ids(tables, service="social", clock=clock)
    stack.push_async_callback(ids.close)
    watched: Any = _Watched(tables)
    events = EventMaker(producer="social", next_id=ids.next, clock=clock)
    keys = PersonKeyStore(tables=tables, clock=clock, wrapping_key=b"w" * 32)
    sealer, requests = PersonSealer(keys=KeptKeys(keys, clock=clock)), RequestLog(tables, clock, body_key=b"b" * 32)
    profiles = Profiles(
        accounts=AccountStore(tables=watched),
        names=NameStore(tables=watched),
        words=People(sealer=sealer),
        keys=IdentityKeys.from_secrets(email_hash_key=b"e" * 32, sealing_key=b"s" * 32),
        requests=requests,
        next_id=ids.next,
        clock=clock,
        events=events,
    )
    comments = wire(
        tables=watched,
        clock=clock,
        next_id=ids.next,
        events=events,
        permits=Permits(secrets=secrets_for("social"), clock=clock),
        page_token_key=b"p" * 32,
        profiles=profiles,
        relations=relations_on(watched),
        sealer=sealer,
        requests=requests,
        policy=_Allowing(),
    )
    people = [_CREATOR, *range(10**12, 10**12 + PEOPLE)]
    for user_id in people:
        await keys.create(user_id)
        sealed = await sealer.seal(user_id, HANDLE, f"person{user_id}")
        await tables.insert(Account(user_id=user_id, handle_sealed=sealed, created_at_ms=1))
    served = await stack.enter_async_context(serve(*comments.services, service="social"))
    issuer = Permits(secrets=secrets_for("video"), clock=clock)
    await _write(served, issuer, people[1:], threads=threads)

    def request() -> pb.ListCommentsRequest:
        permit = issuer.issue(subject_id=_VIDEO, viewer_id=_READER, kinds=[permit_pb2.PERMIT_KIND_VIEW], epoch=1, owner_id=_CREATOR)
        return pb.ListCommentsRequest(
            video_id=_VIDEO, permit=permit, order=pb.COMMENT_ORDER_NEWEST, page_size=PAGE, levels=LEVELS, children=CHILDREN
        )

    return watched, served, request


async def _write(served: Served, issuer: Permits, people: Sequence[int], *, threads: int) -> None:
    """Threads of three levels, each comment of somebody else."""
    numbers = iter(range(10**9))

    async def post(answers_id: int) -> int:
        number = next(numbers)
        author_id = people[number % len(people)]
        permit = issuer.issue(subject_id=_VIDEO, viewer_id=author_id, kinds=[permit_pb2.PERMIT_KIND_COMMENT], epoch=1, owner_id=_CREATOR)
        request = pb.PostCommentRequest(request_id=f"post-{number}", video_id=_VIDEO, permit=permit, text=_TEXT, answers_id=answers_id)
        return (await served.stub(CommentServiceStub, viewer=viewer(user_id=author_id)).PostComment(request)).comment.comment_id

    async def below(answers_id: int, level: int) -> None:
        comment_id = await post(answers_id)
        if level < LEVELS:
            await asyncio.gather(*(below(comment_id, level + 1) for _ in range(CHILDREN)))

    for start in range(0, threads, _AT_ONCE):
        await asyncio.gather(*(below(0, 1) for _ in range(start, min(start + _AT_ONCE, threads))))
