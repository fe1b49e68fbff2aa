"""Fifty sign-ins at once: how long other calls of the same process wait beside argon2id, against the idle process and against one hash."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

from clipmesh.social.v1 import identity_service_pb2 as identity_pb
from clipmesh.social.v1 import profile_service_pb2 as profile_pb
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub

from bench.outcome import Aim, Outcome, Side, ratio, value
from bench.plan import Plan
from bench.turns import Run, Turn, cpu_s, in_turns
from mesh.clock import SystemClock
from mesh.events.event import EventMaker
from mesh.ids import NodeLease, open_ids
from mesh.permits import Permits
from mesh.stores.tables import open_tables
from mesh.stores.tables.requests import RequestRecord
from mesh.testing.rpc import Served, secrets_for, serve
from svc_social.graph import store as graph_store
from svc_social.graph import wiring as graph_wiring
from svc_social.identity.clients import Clients
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.mail import open_mailer
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.store import ROW_TYPES
from svc_social.identity.wiring import wire

SIGN_INS = 50
IDLE, BUSY = "nobody signs in", "fifty sign in"
HASH_AIM = Aim(value=1)
_READ_EACH_S = 0.004
_CALL_S = 30.0
_REDIRECT, _PASSWORD = "https://clipmesh.example/callback", "correct horse battery"
_CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).decode().rstrip("=")


async def run(plan: Plan) -> Outcome:
    """As many profiles read in either turn, one every 4 ms; in one of them fifty people sign in meanwhile."""
    reads, sign_ins = plan.size(300, 20), plan.size(SIGN_INS, 4)
    hasher = PasswordHasher()
    async with AsyncExitStack() as stack:
        stack.callback(hasher.close)
        served = await _served(stack, plan.folder, hasher)
        person, *_ = [await _sign_up(served, f"person{number}") for number in range(sign_ins)]
        seconds: list[float] = []
        turns = {IDLE: _reading(served, person, reads), BUSY: _reading(served, person, reads, sign_ins=sign_ins, seconds=seconds)}
        trial = await in_turns("reads", turns, repetitions=plan.size(5, 1), warm_ups=plan.size(1, 0))
        hashes = [await _hash_ms(hasher) for _ in range(plan.size(20, 2))]
    middle = {name: _side(name, [statistics.median(run.each_ms) for run in trial.runs[name]]) for name in turns}
    worst = {name: _side(f"{name}, 99 of 100", [_percentile(run.each_ms) for run in trial.runs[name]]) for name in turns}
    one = _side("one hash", hashes)
    rate = Side(name=BUSY, unit="1/s", samples=tuple(sign_ins / taken for taken in seconds))
    return Outcome(
        figures=[
            ratio("a read while fifty sign in, against one hash", middle[BUSY], one, aim=HASH_AIM),
            ratio("99 of 100 reads while fifty sign in, against one hash", worst[BUSY], one, aim=HASH_AIM),
            ratio("a read while fifty sign in, against the idle process", middle[BUSY], middle[IDLE]),
            value("99 of 100 reads while fifty sign in", worst[BUSY]),
            value("sign-ins a second", rate),
        ],
        trials=[trial],
        sources=[
            f"{reads} reads of a profile, {sign_ins} sign-ins at once; argon2-cffi {version('argon2-cffi')}, 19 MiB, 2 passes, 2 threads"
        ],
        notes=[
            "Client and server share one process and its cores: two of them hash, and every call waits for a share of what is left.",
            "Were the loop blocked, every read that comes in meanwhile would wait for a hash at least.",
        ],
    )


def _reading(served: Served, person: int, reads: int, *, sign_ins: int = 0, seconds: list[float] | None = None) -> Turn:
    profiles, identity = served.stub(ProfileServiceStub), served.stub(IdentityServiceStub)

    async def sign_in(handle: str) -> None:
        await identity.Authorize(
            identity_pb.AuthorizeRequest(
                login=handle,
                password=_PASSWORD,
                client_id="clipmesh-web",
                redirect_uri=_REDIRECT,
                code_challenge=_CHALLENGE,
                code_challenge_method="S256",
            ),
            timeout=_CALL_S,
        )

    async def all_in() -> None:
        began = time.perf_counter()
        await asyncio.gather(*(sign_in(f"person{number}") for number in range(sign_ins)))
        if sign_ins and seconds is not None:
            seconds.append(time.perf_counter() - began)

    async def turn() -> Run:
        cpu, began, each, found = cpu_s(), time.perf_counter(), list[float](), 0
        signing_in = asyncio.create_task(all_in())
        for _ in range(reads):
            at = time.perf_counter()
            answer = await profiles.BatchGetProfiles(profile_pb.BatchGetProfilesRequest(user_ids=[person]), timeout=_CALL_S)
            each.append((time.perf_counter() - at) * 1000)
            found += len(answer.profiles)
            await asyncio.sleep(_READ_EACH_S)
        await signing_in
        return Run(wall_s=time.perf_counter() - began, cpu_s=cpu_s() - cpu, work=f"{found} profiles", each_ms=tuple(each))

    return turn


async def _sign_up(served: Served, handle: str) -> int:
    """An account of its own for each who signs in: so many at once on one account would be guesses."""
    request = identity_pb.SignUpRequest(
        request_id=handle, handle=handle, email=f"{handle}@example.org", password=_PASSWORD, birth_date="1990-05-17"
    )
    return (await served.stub(IdentityServiceStub).SignUp(request, timeout=_CALL_S)).user_id


async def _hash_ms(hasher: PasswordHasher) -> float:
    began = time.perf_counter()
    await hasher.hash(_PASSWORD)
    return (time.perf_counter() - began) * 1000


def _percentile(each_ms: Sequence[float]) -> float:
    return sorted(each_ms)[int(len(each_ms) * 0.99)]


def _side(name: str, samples: Sequence[float]) -> Side:
    return Side(name=name, unit="ms", samples=tuple(samples))


async def _served(stack: AsyncExitStack, folder: Path, hasher: PasswordHasher) -> Served:
    clock = SystemClock()
    rows = (*ROW_TYPES, *graph_store.ROW_TYPES, NodeLease, RequestRecord)
    tables = await open_tables(f"sqlite:///{folder}", service="social", row_types=rows, clock=clock)
    stack.push_async_callback(tables.close)
    ids = await open_ids(tables, service="social", clock=clock)
    stack.push_async_callback(ids.close)
    identity = wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=EventMaker(producer="social", next_id=ids.next, clock=clock),
        keys=IdentityKeys.from_secrets(email_hash_key=os.urandom(32), sealing_key=os.urandom(32)),
        hasher=hasher,
        clients=Clients.web([_REDIRECT]),
        relations=graph_wiring.relations_on(tables),
        page_token_key=os.urandom(32),
        mailer=open_mailer("log:"),
        mail_origin="https://clipmesh.example",
        permits=Permits(secrets=secrets_for("social"), clock=clock),
        bootstrap_roles={},
    )
    return await stack.enter_async_context(serve(*identity.services, service="social", clock=clock))
