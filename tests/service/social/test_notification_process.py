"""The whole process on a real Redis: an act reaches its inbox and whoever watches it within seconds, and a copied token is told by mail."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import identity_service_pb2 as identity_pb
from clipmesh.social.v1 import notification_service_pb2 as pb
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub
from clipmesh.social.v1.notification_service_pb2_grpc import NotificationServiceStub

from mesh.client import RpcFailed
from mesh.clock import SystemClock
from mesh.events.hints import Hints
from mesh.events.stream import open_stream
from mesh.permits import Permits
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import Served, secrets_for, serve_app, viewer
from tests.service.social.engaging import VIDEO
from tests.service.social.test_engagement_process import app
from tests.service.social.world import CLIENT, VERIFIER, authorize_request, sign_up_request

REDIRECT = "http://127.0.0.1:8080/callback"


async def like(served: Served, user_id: int, owner_id: int) -> None:
    permits = Permits(secrets=secrets_for("video"), clock=SystemClock())
    permit = permits.issue(subject_id=VIDEO, viewer_id=user_id, kinds=[permit_pb2.PERMIT_KIND_ENGAGE], epoch=1, owner_id=owner_id)
    stub = served.stub(EngagementServiceStub, viewer=viewer(user_id=user_id))
    await stub.Like(engagement_pb.LikeRequest(request_id="one", video_id=VIDEO, permit=permit), timeout=5.0)


async def sign_in(served: Served, login: str) -> identity_pb.TokenPair:
    identity = served.stub(IdentityServiceStub)
    code = (await identity.Authorize(authorize_request(login, redirect_uri=REDIRECT))).code
    request = identity_pb.ExchangeCodeRequest(code=code, code_verifier=VERIFIER, client_id=CLIENT, redirect_uri=REDIRECT)
    return (await identity.ExchangeCode(request)).tokens


async def inbox(served: Served, user_id: int, kinds: list[pb.NotificationKind.ValueType], *, within_s: float) -> None:
    stub = served.stub(NotificationServiceStub, viewer=viewer(user_id=user_id))
    async with asyncio.timeout(within_s):
        while [one.kind for one in (await stub.ListNotifications(pb.ListNotificationsRequest())).notifications] != kinds:
            await asyncio.sleep(0.05)


@pytest.mark.timeout(90)
async def test_acts_and_copied_tokens_are_told_within_seconds(
    tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    redis = open_redis(redis_server.url)
    stream = open_stream("", redis=redis)
    hints = Hints(stream=stream, topics=("social.notifications",))
    tailing = asyncio.create_task(hints.run())
    async with serve_app(app(tmp_path, redis_server)) as served:
        identity = served.stub(IdentityServiceStub)
        alice = (await identity.SignUp(sign_up_request("alice"))).user_id
        bob = (await identity.SignUp(sign_up_request("bob"))).user_id
        with hints.watch("social.notifications", str(alice)) as changes:
            async with asyncio.timeout(20), aclosing(aiter(changes)) as versions:
                await anext(versions)
                await like(served, bob, alice)
                while not await anext(versions):
                    pass
        await inbox(served, alice, [pb.NOTIFICATION_KIND_LIKE], within_s=20)
        first = await sign_in(served, "alice")
        copied = first.refresh_token
        for _ in range(2):
            request = identity_pb.RefreshTokensRequest(refresh_token=first.refresh_token, client_id=CLIENT)
            first = (await identity.RefreshTokens(request)).tokens
        with pytest.raises(RpcFailed) as failed:
            await identity.RefreshTokens(identity_pb.RefreshTokensRequest(refresh_token=copied, client_id=CLIENT))
        assert failed.value.reason == "INVALID_GRANT"
        await inbox(served, alice, [pb.NOTIFICATION_KIND_SECURITY, pb.NOTIFICATION_KIND_LIKE], within_s=20)
        async with asyncio.timeout(20):
            while "security-notice" not in caplog.text or "a push would go out now" not in caplog.text:
                await asyncio.sleep(0.05)
        assert "alice@example.org" not in caplog.text
    tailing.cancel()
    await asyncio.gather(tailing, return_exceptions=True)
    await stream.close()
    await redis.close()
