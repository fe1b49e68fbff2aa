"""Real processes that believe tokens, under load: while keys rotate none of them refuses a living one, and each refuses a revoked one within a minute."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub

from mesh.clock import OffsetClock
from mesh.errors import Unavailable
from mesh.testing.redis_server import RedisServer
from svc_social.identity.actions.signing_keys import LEAD_MS, SIGN_MS
from tests.fixtures.children import child
from tests.service.social.test_process import answers, environment, folder, gateway, running
from tests.service.social.world import CLIENT, REDIRECT, VERIFIER, authorize_request, sign_up_request

__all__ = ["folder"]

VERIFIERS = 3
MINUTE_MS = 60_000
TOKEN_MS = 600_000
REVOKED_WITHIN_S = 60.0
KEYS_EVERY_MS = 100


@dataclass(slots=True)
class Believer:
    """One process that checks tokens."""

    process: asyncio.subprocess.Process

    async def ask(self, living: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Tell it of tokens, and hear what became of all so far."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"living": living or {}}).encode() + b"\n")
        await stdin.drain()
        found: dict[str, Any] = json.loads(await stdout.readline())
        return found


@asynccontextmanager
async def believers(folder: Path, redis_url: str, variables: Mapping[str, str]) -> AsyncIterator[list[Believer]]:
    """Several of them."""
    pipe = asyncio.subprocess.PIPE
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(VERIFIERS):
            arguments = (sys.executable, "-m", "tests.service.social.verifying", redis_url, f"{folder}/clock")
            found.append(
                Believer(await stack.enter_async_context(child(*arguments, cwd=Path.cwd(), env=variables, stdin=pipe, stdout=pipe)))
            )
        yield found


async def sign_in(stub: IdentityServiceStub) -> pb.TokenPair:
    """A session of its own."""
    code = (await stub.Authorize(authorize_request())).code
    exchange = pb.ExchangeCodeRequest(code=code, code_verifier=VERIFIER, client_id=CLIENT, redirect_uri=REDIRECT)
    return (await stub.ExchangeCode(exchange)).tokens


async def refresh(stub: IdentityServiceStub, pair: pb.TokenPair) -> pb.TokenPair:
    """The next tokens of a session."""
    request = pb.RefreshTokensRequest(refresh_token=pair.refresh_token, client_id=CLIENT)
    return (await stub.RefreshTokens(request)).tokens


async def patiently(ask: Callable[[], Awaitable[pb.TokenPair]]) -> pb.TokenPair:
    """What is answered once the lease of the process's node, which the jump of the clock ended, is renewed."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Unavailable):
                return await ask()
            await asyncio.sleep(0.05)


async def heard(everybody: list[Believer]) -> None:
    """Wait until each has heard the keys as they are said now."""
    end = time.monotonic() + 30
    while any([(await one.ask())["silent_ms"] > MINUTE_MS // 2 for one in everybody]):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_no_process_refuses_a_living_token_while_keys_rotate_and_each_a_revoked_one(folder: Path, redis_server: RedisServer) -> None:
    clock = OffsetClock(folder / "clock")
    variables = environment(folder, redis_server.url, CLIPMESH_KEYS_INTERVAL_MS=str(KEYS_EVERY_MS))
    key_ids: set[str] = set()
    async with running(folder, variables), gateway(folder, clock) as stub, believers(folder, redis_server.url, variables) as everybody:
        await answers(stub)
        await stub.SignUp(sign_up_request())
        for rotation in range(2):
            # To where the next key is said, to shortly before it signs, and then in steps over the change.
            for step_ms in (SIGN_MS - LEAD_MS - (rotation and 8 * MINUTE_MS), LEAD_MS - 4 * MINUTE_MS):
                clock.move(step_ms)
                await heard(everybody)
            pair = await patiently(partial(sign_in, stub))
            for _ in range(12):
                clock.move(MINUTE_MS)
                pair = await patiently(partial(refresh, stub, pair))
                # A token counts as living until a moment before its end.
                living = {pair.access_token: clock.now_ms() + TOKEN_MS - MINUTE_MS}
                for told in await asyncio.gather(*(one.ask(living) for one in everybody)):
                    assert told["refused"] == {}
                await asyncio.sleep(0.03)
            keys = (await stub.ListSigningKeys(pb.ListSigningKeysRequest())).keys
            key_ids |= {key.key_id for key in keys}
        for told in await asyncio.gather(*(one.ask() for one in everybody)):
            assert told["refused"] == {}
            assert told["verified"] > 200
        assert len(key_ids) >= 3

        await stub.RevokeSession(pb.RevokeSessionRequest(refresh_token=pair.refresh_token))
        end = time.monotonic() + REVOKED_WITHIN_S
        waiting = list(everybody)
        while waiting:
            assert time.monotonic() < end
            waiting = [one for one in waiting if pair.access_token not in (await one.ask())["refused"]]
            await asyncio.sleep(0.02)
        for told in await asyncio.gather(*(one.ask() for one in everybody)):
            assert {reason.partition(":")[0] for reason in told["refused"].values()} == {"InvalidAccessToken"}
