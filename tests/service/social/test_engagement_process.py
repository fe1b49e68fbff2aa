"""The whole process on a real Redis: counts follow within seconds, and acts go on while Redis and its stream are away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub

from mesh.clock import SystemClock
from mesh.permits import Permits
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import Served, process_for, secrets_for, serve_app, viewer
from svc_social.app import SocialApp
from svc_social.identity.keyed import IdentityKeys
from svc_social.settings import SocialSettings
from tests.service.social.engaging import ALICE, CREATOR, VIDEO

NAMED = {"email_hash_key": b"e" * 32, "sealing_key": b"s" * 32, "page_token_key": b"p" * 32, "archive_key": b"a" * 32}


def app(folder: Path, redis: RedisServer) -> SocialApp:
    settings = SocialSettings(
        secrets="",
        testing=True,
        tables=f"sqlite:///{folder}",
        blobs=f"file://{folder}/blobs",
        redis=redis.url,
        password_memory_kib=1024,
    )
    process = process_for("social", named=NAMED, settings=settings, addresses={"rights": "unix:nowhere.sock"})
    keys = IdentityKeys.from_secrets(email_hash_key=NAMED["email_hash_key"], sealing_key=NAMED["sealing_key"])
    return SocialApp(process=process, settings=settings, keys=keys)


async def like(served: Served, user_id: int) -> pb.ViewerState:
    permits = Permits(secrets=secrets_for("video"), clock=SystemClock())
    permit = permits.issue(subject_id=VIDEO, viewer_id=user_id, kinds=[permit_pb2.PERMIT_KIND_ENGAGE], epoch=1, owner_id=CREATOR)
    stub = served.stub(EngagementServiceStub, viewer=viewer(user_id=user_id))
    return (await stub.Like(pb.LikeRequest(request_id="one", video_id=VIDEO, permit=permit), timeout=5.0)).state


async def counted(served: Served, likes: int, *, within_s: float) -> None:
    stub = served.stub(EngagementServiceStub)
    request = pb.BatchGetCountersRequest(video_ids=[VIDEO])
    async with asyncio.timeout(within_s):
        while (await stub.BatchGetCounters(request)).counters[0] != pb.Counters(video_id=VIDEO, likes=likes):
            await asyncio.sleep(0.05)


@pytest.mark.timeout(90)
async def test_acts_are_counted_within_seconds_and_need_no_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    people = range(ALICE, ALICE + 20)
    async with serve_app(app(tmp_path, redis_server)) as served:
        states = await asyncio.gather(*(like(served, user_id) for user_id in people[:10]))
        assert all(state.liked for state in states)
        await counted(served, 10, within_s=5)
        await redis_server.kill()
        states = await asyncio.gather(*(like(served, user_id) for user_id in people[10:]))
        assert all(state.liked for state in states)
        stub = served.stub(EngagementServiceStub, viewer=viewer(user_id=people[15]))
        mine = (await stub.BatchGetViewerState(pb.BatchGetViewerStateRequest(video_ids=[VIDEO]))).states[0]
        assert mine.liked
        assert (await stub.BatchGetCounters(pb.BatchGetCountersRequest(video_ids=[VIDEO]))).counters[0].likes == 10
        await redis_server.start()
        await counted(served, 20, within_s=40)
