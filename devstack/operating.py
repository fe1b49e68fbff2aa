"""Speaks to the services of a running system as its operator: consumer groups, dead letters, rewinds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from clipmesh.common.v1 import operator_service_pb2 as pb
from clipmesh.common.v1.operator_service_pb2_grpc import OperatorServiceStub

from devstack.doors import Doors
from devstack.health import short_folder
from devstack.layout import serving
from mesh import deadline
from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.operating import OPERATOR
from mesh.secrets import Secrets
from mesh.telemetry import Telemetry

ASK_S: Final = 5.0
MEND_S: Final = 60.0
"""How long a replay or a rewind may take, in seconds."""


class NothingRuns(Exception):
    """No system runs in the folder."""


@asynccontextmanager
async def operator_channels(folder: Path) -> AsyncIterator[Channels]:
    """Connections to the system that runs in `folder`, under the operator's name. Raises NothingRuns."""
    try:
        state = json.loads((folder / "run" / "state.json").read_text())
    except FileNotFoundError:
        raise NothingRuns(f"nothing runs in {folder}") from None
    with short_folder(folder) as short:
        doors = Doors.of(short, addresses=state.get("addresses", {}), processes=serving(state.get("processes", {})))
        channels = Channels(
            secrets=Secrets.load(folder / "run" / "secrets" / f"{OPERATOR}.json"),
            clock=SystemClock(),
            telemetry=Telemetry(service=OPERATOR),
            addresses=doors.by_service(),
            tls=doors.tls,
        )
        try:
            yield channels
        finally:
            await channels.close()


class Operating:
    """What an operator asks of one service. Everything raises RpcFailed."""

    def __init__(self, channels: Channels, service: str) -> None:
        self._stub = channels.stub(OperatorServiceStub, service, idempotent={"RewindConsumerGroup", "ReplayArchive"})

    async def groups(self) -> Sequence[pb.ConsumerGroup]:
        """Its consumer groups, with what waits for each."""
        found: list[pb.ConsumerGroup] = []
        token = ""
        with deadline.scope(ASK_S):
            while True:
                page = await self._stub.ListConsumerGroups(pb.ListConsumerGroupsRequest(page_size=100, page_token=token))
                found += page.groups
                token = page.next_page_token
                if not token:
                    return found

    async def letters(self, group: str) -> Sequence[pb.DeadLetter]:
        """The dead letters of a group."""
        found: list[pb.DeadLetter] = []
        token = ""
        with deadline.scope(ASK_S):
            while True:
                page = await self._stub.ListDeadLetters(pb.ListDeadLettersRequest(group=group, page_size=100, page_token=token))
                found += page.letters
                token = page.next_page_token
                if not token:
                    return found

    async def replay(self, group: str, event_id: int) -> None:
        """Let the group try an event again."""
        with deadline.scope(MEND_S):
            await self._stub.ReplayDeadLetter(pb.ReplayDeadLetterRequest(group=group, event_id=event_id))

    async def replay_archive(self, group: str, from_at_ms: int) -> AsyncIterator[int]:
        """Let the group take archived events from a moment on, file after file; how many each gave."""
        position = ""
        while True:
            with deadline.scope(MEND_S):
                asked = pb.ReplayArchiveRequest(group=group, from_at_ms=from_at_ms, position=position)
                answer = await self._stub.ReplayArchive(asked)
            yield answer.events
            position = answer.next_position
            if not position:
                return

    async def rewind(self, group: str, from_at_ms: int) -> Sequence[str]:
        """Let the group read again from a moment; the topics that it reads."""
        with deadline.scope(MEND_S):
            answer = await self._stub.RewindConsumerGroup(pb.RewindConsumerGroupRequest(group=group, from_at_ms=from_at_ms))
        return answer.topics
