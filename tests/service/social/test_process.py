"""The whole process on a real Redis: keys and revocations reach verifiers, and a kill in the middle of a sign-up leaves nothing taken."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh import backbone
from mesh.client import Channels, RpcFailed
from mesh.clock import OffsetClock, SystemClock
from mesh.errors import Unavailable
from mesh.events.stream import open_stream
from mesh.failpoints import Failpoint
from mesh.stores.redis import open_redis
from mesh.telemetry import Telemetry
from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import SERVICES, private_key_of, process_for, secrets_for, serve_app
from mesh.tokens import AccessTokenVerifier, InvalidAccessToken
from svc_social.app import SocialApp
from svc_social.identity.keyed import IdentityKeys
from svc_social.settings import SocialSettings
from tests.fixtures.children import child
from tests.service.social.world import CLIENT, REDIRECT, VERIFIER, authorize_request, sign_up_request

NAMED = {"email_hash_key": b"e" * 32, "sealing_key": b"s" * 32}


async def until(answer: object, *, within_s: float = 30.0) -> None:
    """Wait for an async question to be answered with yes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not await answer():  # type: ignore[operator]
        assert loop.time() < end
        await asyncio.sleep(0.02)


async def test_keys_and_revocations_reach_a_verifier_over_the_stream(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SocialSettings(
        secrets="",
        testing=True,
        tables=f"sqlite:///{tmp_path}",
        blobs=f"file://{tmp_path}/blobs",
        redis=redis_server.url,
        oauth_redirects=(REDIRECT,),
        password_memory_kib=1024,
    )
    named = {**NAMED, "page_token_key": b"p" * 32, "archive_key": b"a" * 32}
    process = process_for("social", named=named, settings=settings, addresses={"rights": "unix:nowhere.sock"})
    app = SocialApp(process=process, settings=settings, keys=IdentityKeys.from_secrets(**NAMED))
    redis = open_redis(redis_server.url)
    verifier = AccessTokenVerifier(clock=SystemClock())
    listening = asyncio.create_task(verifier.run(open_stream("", redis=redis)))
    try:
        async with serve_app(app) as served:
            stub = served.stub(IdentityServiceStub)
            await stub.SignUp(sign_up_request())
            code = (await stub.Authorize(authorize_request())).code
            exchange = pb.ExchangeCodeRequest(code=code, code_verifier=VERIFIER, client_id=CLIENT, redirect_uri=REDIRECT)
            pair = (await stub.ExchangeCode(exchange)).tokens

            async def believed() -> bool:
                with suppress(Unavailable):
                    return (await verifier.verify(pair.access_token)).handle == "alice"
                return False

            async def refused() -> bool:
                with suppress(InvalidAccessToken):
                    await verifier.verify(pair.access_token)
                    return False
                return True

            await until(believed)
            await stub.RevokeSession(pb.RevokeSessionRequest(refresh_token=pair.refresh_token))
            await until(refused)
            # The end comes by itself: nothing has to be waited out.
            monkeypatch.setattr(backbone, "_FINISH_S", 300.0)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await redis.close()


def environment(folder: Path, redis_url: str, **more: str) -> dict[str, str]:
    """What devstack would give the process."""
    peers = {peer: Ed25519PrivateKey.from_private_bytes(private_key_of(peer)).public_key().public_bytes_raw() for peer in SERVICES}
    secrets = {
        "service": "social",
        "private_key": base64.b64encode(private_key_of("social")).decode(),
        "peers": {peer: base64.b64encode(key).decode() for peer, key in peers.items()},
        "named": {
            name: base64.b64encode(key).decode() for name, key in {**NAMED, "page_token_key": b"p" * 32, "archive_key": b"a" * 32}.items()
        },
    }
    (folder / "secrets.json").write_text(json.dumps(secrets))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("CLIPMESH_")},
        "CLIPMESH_RIGHTS_ADDRESS": "unix:nowhere.sock",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "CLIPMESH_SECRETS": "secrets.json",
        "CLIPMESH_TABLES": f"sqlite:///{folder}",
        "CLIPMESH_BLOBS": f"file://{folder}/blobs",
        "CLIPMESH_REDIS": redis_url,
        "CLIPMESH_LISTEN": "unix:social.sock",
        "CLIPMESH_CLOCK": f"file:{folder}/clock",
        "CLIPMESH_TESTING": "1",
        "CLIPMESH_PASSWORD_MEMORY_KIB": "1024",
        "CLIPMESH_OAUTH_REDIRECTS": REDIRECT,
        **more,
    }


def running(folder: Path, variables: dict[str, str]) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """`python -m svc_social` until the block ends."""
    silent = asyncio.subprocess.DEVNULL
    return child(sys.executable, "-m", "svc_social", cwd=folder, env=variables, stdout=silent, stderr=silent)


@asynccontextmanager
async def gateway(folder: Path, clock: OffsetClock) -> AsyncIterator[IdentityServiceStub]:
    """A caller of the process."""
    channels = Channels(
        secrets=secrets_for("gateway"),
        clock=clock,
        telemetry=Telemetry(service="gateway"),
        addresses={"social": f"unix:{folder}/social.sock"},
    )
    try:
        yield channels.stub(IdentityServiceStub, "social")
    finally:
        await channels.close()


async def answers(stub: IdentityServiceStub) -> None:
    """Wait until the process serves."""

    async def lists() -> bool:
        with suppress(RpcFailed):
            await stub.ListSigningKeys(pb.ListSigningKeysRequest())
            return True
        return False

    await until(lists, within_s=30.0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the process listens."""
    with socket_folder() as path:
        yield path


async def test_a_kill_between_reservation_and_account_frees_the_names_a_minute_later(folder: Path, redis_server: RedisServer) -> None:
    clock = OffsetClock(folder / "clock")
    armed = environment(folder, redis_server.url, CLIPMESH_FAILPOINTS=f"{Failpoint.SIGN_UP_AFTER_RESERVATION.value}:2")
    async with running(folder, armed) as child, gateway(folder, clock) as stub:
        await answers(stub)
        bob = await stub.SignUp(sign_up_request("bob"))
        with pytest.raises(RpcFailed):
            await stub.SignUp(sign_up_request("alice"))
        assert await child.wait() == -9
    clock.move(61_000)
    async with running(folder, environment(folder, redis_server.url)), gateway(folder, clock) as stub:
        await answers(stub)
        assert await stub.SignUp(sign_up_request("bob")) == bob
        rival = await stub.SignUp(sign_up_request("alice", request_id="rival"))
        assert (await stub.Authorize(authorize_request("alice"))).code
        with pytest.raises(RpcFailed) as failed:
            await stub.SignUp(sign_up_request("alice"))
        assert failed.value.reason == "HANDLE_TAKEN"
        assert await stub.SignUp(sign_up_request("alice", request_id="rival")) == rival
