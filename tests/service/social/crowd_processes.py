"""Social as real processes on stores that are given by URL: killed, started again, their consumers rewound through the operator's door."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from clipmesh.common.v1 import operator_service_pb2 as operator_pb
from clipmesh.common.v1 import viewer_pb2
from clipmesh.common.v1.operator_service_pb2_grpc import OperatorServiceStub
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.rights.v1 import text_policy_service_pb2 as policy_pb
from clipmesh.rights.v1 import text_policy_service_pb2_grpc as policy_rpc
from clipmesh.social.v1 import identity_service_pb2 as identity_pb
from clipmesh.social.v1 import profile_service_pb2 as profile_pb
from clipmesh.social.v1.identity_service_pb2_grpc import IdentityServiceStub
from clipmesh.social.v1.profile_service_pb2_grpc import ProfileServiceStub

from mesh.auth import ViewerSigner, viewer_scope
from mesh.client import Channels, RpcFailed
from mesh.clock import SystemClock
from mesh.errors import DeadlineExceeded, Unavailable
from mesh.permits import Permits
from mesh.server import ANYONE, Access, ServedService
from mesh.telemetry import Telemetry
from mesh.testing.rpc import secrets_for, serve, viewer
from tests.service.social.commenting import PERSONAL
from tests.service.social.test_process import environment
from tests.service.social.world import sign_up_request

S = TypeVar("S")

STARTS_S: Final = 60.0
SETTLES_S: Final = 120.0
_CALLERS: Final = ("gateway", "feed", "operator")


class Judge(policy_rpc.TextPolicyServiceServicer):
    """Rights as far as social asks it: a doubtful text is for the creator."""

    async def BatchAssessTexts(self, request: policy_pb.BatchAssessTextsRequest, context: Any) -> Any:  # noqa: N802
        kinds = [rights_pb.VERDICT_KIND_REVIEW if "doubtful" in one.text else rights_pb.VERDICT_KIND_ALLOW for one in request.texts]
        return policy_pb.BatchAssessTextsResponse(verdicts=[policy_pb.TextVerdict(kind=kind) for kind in kinds])

    @property
    def served(self) -> ServedService:
        """It as a server takes it."""
        descriptor = policy_pb.DESCRIPTOR.services_by_name["TextPolicyService"]
        return ServedService(
            add_to_server=policy_rpc.add_TextPolicyServiceServicer_to_server,
            servicer=self,
            descriptor=descriptor,
            access={method.name: Access(callers={"social"}, viewer=ANYONE, idempotent=True) for method in descriptor.methods},
        )


class _For:
    """A stub whose calls are made for one viewer."""

    def __init__(self, stub: Any, who: viewer_pb2.ViewerContext) -> None:
        self._stub, self._who = stub, who

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        async def call(request: Any, *, timeout: float | None = None) -> Any:
            with viewer_scope(ViewerSigner(secrets=secrets_for("gateway"), clock=SystemClock()).sign(self._who)):
                return await method(request, timeout=timeout)

        return call


@dataclass(slots=True)
class Processes:
    """So many processes of social, and how they are called."""

    folder: Path
    environments: Sequence[Mapping[str, str]]
    dice: random.Random
    running: list[asyncio.subprocess.Process | None] = field(default_factory=list)
    channels: list[dict[str, Channels]] = field(default_factory=list)
    kills: int = 0
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while one of them is killed and begins anew."""

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.environments)

    def stub(self, stub_type: Callable[..., S], user_id: int = 0, *, at: int = 0, caller: str = "gateway") -> S:
        """A service as another one calls it for a person, 0 for nobody."""
        stub: Any = self.channels[at][caller].stub(stub_type, "social")
        if caller == "operator":
            return stub  # type: ignore[no-any-return]
        return _For(stub, viewer(user_id=user_id, consents=[PERSONAL]) if user_id else viewer())  # type: ignore[return-value]

    def permit(self, user_id: int, video_id: int, owner_id: int, kinds: Sequence[Any], *, at: int = 0) -> Any:
        """Video's word of what a person may do."""
        issuer = Permits(secrets=secrets_for("video"), clock=SystemClock())
        return issuer.issue(kinds=kinds, epoch=1, owner_id=owner_id, subject_id=video_id, viewer_id=user_id)

    async def person(self, handle: str, *, is_private: bool = False) -> int:
        """Somebody who signed up."""
        stub = self.stub(IdentityServiceStub)
        user_id = (await stub.SignUp(sign_up_request(handle), timeout=20.0)).user_id
        if is_private:
            request = profile_pb.UpdatePrivacyRequest(request_id=f"private-{handle}", is_private=True)
            await self.stub(ProfileServiceStub, user_id).UpdatePrivacy(request, timeout=20.0)
        return user_id

    # ── lives ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, at: int) -> None:
        """Begin a life, and wait until it answers."""
        silent = asyncio.subprocess.DEVNULL
        with (self.folder / f"social-{at}.log").open("ab") as log:
            self.running[at] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "svc_social", cwd=self.folder, env=self.environments[at], stdout=silent, stderr=log
            )
        async with asyncio.timeout(STARTS_S):
            while True:
                with suppress(RpcFailed):
                    await self.stub(IdentityServiceStub, at=at).ListSigningKeys(identity_pb.ListSigningKeysRequest(), timeout=5.0)
                    return
                assert self._alive(at), (self.folder / f"social-{at}.log").read_text()[-2_000:]
                await asyncio.sleep(0.1)

    async def kill(self, at: int) -> None:
        """End a life as a power cut would."""
        process, self.running[at] = self.running[at], None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def kill_one(self) -> None:
        """Kill one of them, and start it again."""
        async with self.starting:
            at = self.dice.randrange(self.size)
            await self.kill(at)
            self.kills += 1
            await self.start(at)

    def _alive(self, at: int) -> bool:
        process = self.running[at]
        return process is not None and process.returncode is None

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def rewind(self) -> None:
        """Let every consumer read everything again."""
        for group in await self._groups():
            await self._operate("RewindConsumerGroup", operator_pb.RewindConsumerGroupRequest(group=group.group))

    async def settled(self) -> None:
        """Wait until no consumer has anything before it, for a while."""
        calm = 0
        async with asyncio.timeout(SETTLES_S):
            while calm < 4:
                await asyncio.sleep(0.3)
                groups = await self._groups()
                for group in groups:
                    if group.dead_letters:
                        letters = await self._operate("ListDeadLetters", operator_pb.ListDeadLettersRequest(group=group.group))
                        raise AssertionError(f"dead letters: {letters}")
                calm = calm + 1 if not any(group.waiting for group in groups) else 0

    async def _groups(self) -> Sequence[operator_pb.ConsumerGroup]:
        return list((await self._operate("ListConsumerGroups", operator_pb.ListConsumerGroupsRequest(page_size=50))).groups)

    async def _operate(self, method: str, request: Any) -> Any:
        """Ask one that lives."""
        async with asyncio.timeout(SETTLES_S):
            while True:
                stub = self.stub(OperatorServiceStub, at=self.dice.randrange(self.size), caller="operator")
                with suppress(Unavailable, DeadlineExceeded):
                    return await getattr(stub, method)(request, timeout=20.0)
                await asyncio.sleep(0.2)


@asynccontextmanager
async def open_processes(folder: Path, *, seed: int, size: int, **stores: str) -> AsyncIterator[Processes]:
    """Processes with sockets in a short folder; `stores` are variables such as CLIPMESH_TABLES."""
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(serve(Judge().served, service="rights", clock=SystemClock()))
        environments = [
            environment(
                folder,
                stores["CLIPMESH_REDIS"],
                **{
                    "CLIPMESH_RIGHTS_ADDRESS": judge.address,
                    "CLIPMESH_LISTEN": f"unix:social-{at}.sock",
                    "CLIPMESH_NODE": f"social-{at}",
                    "CLIPMESH_RELAY_LEASE_MS": "3000",
                    "CLIPMESH_PARTITION_LEASE_MS": "3000",
                    "CLIPMESH_PARTITION_HEARTBEAT_MS": "500",
                    "CLIPMESH_VIRAL_ACTS_PER_S": "100000",
                    **stores,
                },
            )
            for at in range(size)
        ]
        processes = Processes(folder, environments, random.Random(seed), [None] * size)
        for at in range(size):
            processes.channels.append({})
            for caller in _CALLERS:
                channels = Channels(
                    secrets=secrets_for(caller),
                    clock=SystemClock(),
                    telemetry=Telemetry(service=caller),
                    addresses={"social": f"unix:{folder}/social-{at}.sock"},
                )
                stack.push_async_callback(channels.close)
                processes.channels[at][caller] = channels
        try:
            for at in range(size):
                await processes.start(at)
            yield processes
        finally:
            for at in range(size):
                await processes.kill(at)
