"""A mailed link of a real process: it stands in the log adapter's one line, and whoever reads it there sets a new password."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clipmesh.social.v1 import identity_service_pb2 as pb

from mesh.clock import OffsetClock
from mesh.errors import Unauthenticated
from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import RedisServer
from tests.fixtures.children import child
from tests.service.social.test_process import answers, environment, gateway, until
from tests.service.social.world import authorize_request, sign_up_request

NEW = "another battery staple"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the process listens."""
    with socket_folder() as path:
        yield path


async def test_the_link_is_in_one_line_of_the_log_and_works(folder: Path, redis_server: RedisServer) -> None:
    variables = environment(folder, redis_server.url, CLIPMESH_ORIGIN="https://clipmesh.example", CLIPMESH_MAIL="log:")
    log = folder / "log"
    with log.open("wb") as file:
        running = child(sys.executable, "-m", "svc_social", cwd=folder, env=variables, stdout=asyncio.subprocess.DEVNULL, stderr=file)
        async with running, gateway(folder, OffsetClock(folder / "clock")) as stub:
            await answers(stub)
            await stub.SignUp(sign_up_request("alice"))
            for email in ("alice@example.org", "nobody@example.org"):
                await stub.RequestPasswordReset(pb.RequestPasswordResetRequest(email=email, client_address="203.0.113.7"))

            async def posted() -> bool:
                return "reset-password#" in log.read_text()

            await until(posted)
            (secret,) = re.findall(r"https://clipmesh\.example/reset-password#([\w-]{43})", log.read_text())
            await stub.ResetPassword(pb.ResetPasswordRequest(request_id="r1", token=secret, new_password=NEW))
            with pytest.raises(Unauthenticated):
                await stub.Authorize(authorize_request("alice"))
            assert (await stub.Authorize(authorize_request("alice", password=NEW))).code
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["logger"] for line in lines if secret in json.dumps(line)] == ["clipmesh.mail"]
    assert "@example.org" not in log.read_text()
