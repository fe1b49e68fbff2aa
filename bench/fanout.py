"""A publication of somebody with 10,000 followers: inboxes a second, the time to the last one, and what everybody else notices meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from clipmesh.social.v1 import notification_service_pb2 as pb
from clipmesh.social.v1.notification_service_pb2_grpc import NotificationServiceStub

from bench.outcome import Aim, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.turns import Run, cpu_s, in_turns
from mesh.auth import ViewerSigner, viewer_scope
from mesh.clock import SystemClock
from mesh.ids import NodeLease, open_ids
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from svc_social.graph import store as graph_store
from svc_social.graph.actions import Followers
from svc_social.graph.rules import Place as ListPlace
from svc_social.graph.rules import pair_of
from svc_social.graph.store import ListStore
from svc_social.graph.tables import Bond, FollowState, ListKind
from svc_social.graph.wiring import relations_on
from svc_social.identity.actions import Profiles
from svc_social.identity.tables import Account
from svc_social.notifications import store as notification_store
from svc_social.notifications.rules import KEPT_MS, Act, Place, window_of
from svc_social.notifications.store.fan_outs import SHARDS
from svc_social.notifications.tables import FanOut, NotificationKind
from svc_social.notifications.wiring import Notifications, wire

FOLLOWERS = 10_000
ALONE, BESIDE = "without a publication", "beside a publication"
_CREATOR, _FIRST = 900, 48_151_600_000
_WATCHERS = 50
_PAUSE_S = 0.01
_AT_ONCE = 64
_CALL_S = 5.0
LATE_AIM = Aim(value=1_000)
"""Milliseconds that an act of others may take to its inbox while a publication is fanned out."""


class _Anybody:
    """Everybody has an account: whether people exist is not what is measured."""

    async def many(self, user_ids: Any) -> list[Account]:
        """An account for each."""
        return [Account(user_id=user_id) for user_id in user_ids]


@dataclass(frozen=True, slots=True)
class _Scene:
    tables: Tables
    notifications: Notifications
    served: Served
    next_id: Callable[[], int]


async def run(plan: Plan) -> Outcome:
    """The same looks and likes of others without and beside publications, each of which goes to all followers."""
    followers, looks, likes = plan.size(FOLLOWERS, 40), plan.size(200, 2), plan.size(60, 2)
    async with AsyncExitStack() as stack:
        scene = await _scene(stack, plan.folder)
        await _follow(scene, followers)
        others = _Others(scene, looks=looks, likes=likes)
        took: list[float] = []

        async def beside() -> Run:
            video_id = next(others.videos)
            fanning = asyncio.create_task(_fan_out(scene, video_id))
            done = await others.turn()
            took.append(await fanning)
            await _check(scene, video_id, followers)
            return done

        trial = await in_turns("others", {ALONE: others.turn, BESIDE: beside}, repetitions=plan.size(3, 1), warm_ups=plan.size(1, 0))
        kept = took[plan.size(1, 0) :]
    last = Side(name=BESIDE, unit="s", samples=tuple(kept))
    rate = Side(name=BESIDE, unit="1/s", samples=tuple(followers / one for one in kept))
    seen = {side: Side(name=side, unit="ms", samples=tuple(_p99(run.each_ms[:looks]) for run in trial.runs[side])) for side in trial.runs}
    told = Side(name=BESIDE, unit="ms", samples=tuple(_p99(run.each_ms[looks:]) for run in trial.runs[BESIDE]))
    return Outcome(
        figures=[
            value("inboxes a second", rate),
            value("time to the last inbox", last),
            value("a like of somebody else to its inbox meanwhile, p99", told, aim=LATE_AIM),
            value("the unread count of somebody else meanwhile, p99", seen[BESIDE]),
            ratio("the unread count meanwhile against alone, p99", seen[BESIDE], seen[ALONE]),
        ],
        trials=[trial],
        sources=[f"{followers} followers; SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL; one process; unread count over gRPC"],
        notes=[
            "Each follower's relation, settings and inbox are looked at; each inbox is one commit of two rows under their versions.",
            "Who looks and who likes share the process and its cores with the fan-out.",
        ],
    )


class _Others:
    """People who have nothing to do with the publication: some look at their badge, one likes."""

    def __init__(self, scene: _Scene, *, looks: int, likes: int) -> None:
        self._scene = scene
        self._looks = looks
        self._likes = likes
        self.videos = itertools.count(1_000)

    async def turn(self) -> Run:
        """A number of looks, and beside them a number of likes; `each_ms` has the looks first."""
        began_s, cpu = time.perf_counter(), cpu_s()
        looks, likes = await asyncio.gather(
            _again(lambda: _look(self._scene), self._looks), _again(lambda: _like(self._scene, next(self.videos)), self._likes)
        )
        return Run(
            wall_s=time.perf_counter() - began_s,
            cpu_s=cpu_s() - cpu,
            work=f"{len(looks)} looks answered, {len(likes)} likes told",
            each_ms=(*looks, *likes),
        )


async def _scene(stack: AsyncExitStack, folder: Path) -> _Scene:
    clock, unused = SystemClock(), cast(Any, None)
    rows = (*graph_store.ROW_TYPES, *notification_store.ROW_TYPES, NodeLease, RequestRecord)
    tables = await open_tables(f"sqlite:///{folder}", service="social", row_types=rows, clock=clock)
    stack.push_async_callback(tables.close)
    ids = await open_ids(tables, service="social", clock=clock)
    stack.push_async_callback(ids.close)
    relations = relations_on(tables)
    notifications = wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        page_token_key=b"p" * 32,
        profiles=cast(Profiles, _Anybody()),
        relations=relations,
        followers=Followers(lists=ListStore(tables=tables), relations=relations),
        sealer=unused,
        named_requests=RequestLog(tables, clock),
        couriers={},
    )
    served = await stack.enter_async_context(serve(*notifications.services, service="social"))
    return _Scene(tables, notifications, served, ids.next)


async def _follow(scene: _Scene, count: int) -> None:
    """Let people follow the creator, as long as bonds and lists tell it."""
    now_ms = SystemClock().now_ms()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def follow(user_id: int) -> None:
        low_id, high_id = pair_of(user_id, _CREATOR)
        async with gate:
            await scene.tables.insert(Bond(low_id=low_id, high_id=high_id, high_follow=FollowState.FOLLOWING, high_follow_since_ms=now_ms))

    people = range(_FIRST, _FIRST + count)
    await asyncio.gather(*map(follow, people))
    lists = ListStore(tables=scene.tables)
    for start in range(0, count, 100):
        await lists.move(
            gone=(), come=[ListPlace(_CREATOR, ListKind.FOLLOWERS, now_ms, one) for one in people[start : start + 100]], version=1
        )


async def _fan_out(scene: _Scene, video_id: int) -> float:
    """Seconds until the last inbox has it."""
    began_s = time.perf_counter()
    now_ms = SystemClock().now_ms()
    publishing = scene.notifications.publishing
    await publishing.begin(FanOut(video_id=video_id, creator_id=_CREATOR, published_at_ms=now_ms, expires_at_ms=now_ms + KEPT_MS))
    for shard in range(SHARDS):
        await publishing.work(shard)
    return time.perf_counter() - began_s


async def _look(scene: _Scene) -> None:
    """Somebody who follows nobody looks at the badge."""
    person = _FIRST - 1 - int(time.monotonic_ns()) % _WATCHERS
    signer = ViewerSigner(secrets=secrets_for("gateway"), clock=SystemClock())
    with viewer_scope(signer.sign(viewer(user_id=person))):
        stub = scene.served.stub(NotificationServiceStub)
        await stub.GetUnreadNotificationCount(pb.GetUnreadNotificationCountRequest(), timeout=_CALL_S)


async def _like(scene: _Scene, video_id: int) -> None:
    """Somebody likes a video of somebody else."""
    now_ms = SystemClock().now_ms()
    place = Place(kind=NotificationKind.LIKE, video_id=video_id, window=window_of(now_ms))
    liker = _FIRST - 1_000
    act = Act(user_id=_FIRST - 2_000, place=place, member=liker, actor_id=liker, acted_at_ms=now_ms, version=scene.next_id())
    await scene.notifications.receiving.acts([act])


async def _again(work: Callable[[], Awaitable[None]], times: int) -> list[float]:
    """How long `work` takes, in milliseconds, each time."""
    found: list[float] = []
    for _ in range(times):
        began_s = time.perf_counter()
        await work()
        found.append((time.perf_counter() - began_s) * 1000)
        await asyncio.sleep(_PAUSE_S)
    return found


def _p99(samples: Sequence[float]) -> float:
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * 0.99))]


async def _check(scene: _Scene, video_id: int, followers: int) -> None:
    """Raises RuntimeError unless everybody was told."""
    fan_out = await scene.notifications.publishing.fan_outs.get(video_id)
    if fan_out is None or not fan_out.done or fan_out.told != followers:
        raise RuntimeError(f"the publication reached {fan_out.told if fan_out else 0} of {followers} inboxes")
    for user_id in (_FIRST, _FIRST + followers // 2, _FIRST + followers - 1):
        page = await scene.notifications.inbox.page(user_id, page_size=1, page_token="")
        if page.shown[0].entry.video_id != video_id:
            raise RuntimeError("an inbox does not know of the publication")
