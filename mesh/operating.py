"""OperatorService over gRPC: consumer groups and dead letters of one service, listed, replayed, rewound.

MeshError
└── NotFound
    └── ConsumerGroupNotFound   no consumer of the service has that name
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import grpc
from clipmesh.common.v1 import operator_service_pb2 as pb
from clipmesh.common.v1 import operator_service_pb2_grpc

from mesh.access import Access, Priority
from mesh.errors import NotFound
from mesh.events.archive.replaying import ArchiveReplay, NoArchive
from mesh.events.consumers import ConsumerGroup
from mesh.events.dead_letters import DeadLetters
from mesh.events.rows import DeadLetter
from mesh.events.stream.port import Stream, StreamUnavailable
from mesh.pages import PageTokens, clamp
from mesh.server import ServedService

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

OPERATOR: Final = "operator"
"""The identity of whoever runs the system; no process of the system has its key."""

_CALLERS: Final = frozenset({OPERATOR})
_LONGEST_MS: Final = 60_000
"""A replay runs a consumer's handler, which may take half of it."""


class ConsumerGroupNotFound(NotFound):
    """No consumer of the service has that name."""

    reason = "CONSUMER_GROUP_NOT_FOUND"


class OperatorServicer(operator_service_pb2_grpc.OperatorServiceServicer):
    """Answers OperatorService for one process; `groups` may still grow while it starts."""

    def __init__(
        self, *, groups: Sequence[ConsumerGroup], letters: DeadLetters, stream: Stream, tokens: PageTokens, archive: ArchiveReplay | None
    ) -> None:
        self._groups = groups
        self._letters = letters
        self._stream = stream
        self._tokens = tokens
        self._archive = archive

    async def ListConsumerGroups(  # noqa: N802
        self, request: pb.ListConsumerGroupsRequest, context: Context
    ) -> pb.ListConsumerGroupsResponse:
        """The groups by name."""
        after = self._tokens.decode("ListConsumerGroups", OPERATOR, request.page_token)
        found = sorted((group for group in self._groups if group.group > after), key=lambda group: group.group)
        page = found[: clamp(request.page_size)]
        last = page[-1].group if len(page) < len(found) else ""
        return pb.ListConsumerGroupsResponse(
            groups=[await self._stands(group) for group in page],
            next_page_token=self._tokens.encode("ListConsumerGroups", OPERATOR, last),
        )

    async def ListDeadLetters(  # noqa: N802
        self, request: pb.ListDeadLettersRequest, context: Context
    ) -> pb.ListDeadLettersResponse:
        """The letters of a group."""
        group = self._group(request.group)
        after = self._tokens.decode("ListDeadLetters", group.group, request.page_token)
        page = await self._letters.dead_letters(group.group, after=after, limit=clamp(request.page_size))
        return pb.ListDeadLettersResponse(
            letters=[letter_to_proto(letter) for letter in page.rows],
            next_page_token=self._tokens.encode("ListDeadLetters", group.group, page.next),
        )

    async def ReplayDeadLetter(  # noqa: N802
        self, request: pb.ReplayDeadLetterRequest, context: Context
    ) -> pb.ReplayDeadLetterResponse:
        """Try an event again."""
        await self._letters.replay(self._group(request.group), request.event_id)
        return pb.ReplayDeadLetterResponse()

    async def RewindConsumerGroup(  # noqa: N802
        self, request: pb.RewindConsumerGroupRequest, context: Context
    ) -> pb.RewindConsumerGroupResponse:
        """Let a group read again."""
        group = self._group(request.group)
        await self._stream.rewind(group.consumer.topics, group=group.group, to_ms=request.from_at_ms)
        return pb.RewindConsumerGroupResponse(topics=group.consumer.topics)

    async def ReplayArchive(  # noqa: N802
        self, request: pb.ReplayArchiveRequest, context: Context
    ) -> pb.ReplayArchiveResponse:
        """Give a group the events of one archived file again."""
        group = self._group(request.group)
        if self._archive is None:
            raise NoArchive()
        after = self._tokens.decode("ReplayArchive", group.group, request.position)
        events, following = await self._archive.step(group, from_ms=request.from_at_ms, after=after)
        return pb.ReplayArchiveResponse(events=events, next_position=self._tokens.encode("ReplayArchive", group.group, following))

    def _group(self, name: str) -> ConsumerGroup:
        for group in self._groups:
            if group.group == name:
                return group
        raise ConsumerGroupNotFound()

    async def _stands(self, group: ConsumerGroup) -> pb.ConsumerGroup:
        topics = group.consumer.topics
        dead = await self._letters.count(group.group)
        try:
            lags = await self._stream.lag(topics, group=group.group)
        except StreamUnavailable:
            return pb.ConsumerGroup(group=group.group, topics=topics, waiting=-1, dead_letters=dead)
        waiting, oldest_ms = sum(lag.records for lag in lags), max((lag.oldest_ms for lag in lags), default=0)
        return pb.ConsumerGroup(group=group.group, topics=topics, waiting=waiting, oldest_ms=oldest_ms, dead_letters=dead)


def letter_to_proto(letter: DeadLetter) -> pb.DeadLetter:
    """The letter as it travels: without the event's bytes."""
    return pb.DeadLetter(
        group=letter.consumer,
        event_id=letter.event_id,
        topic=letter.topic,
        key=letter.key,
        key_version=letter.key_version,
        type=letter.type,
        reason=letter.reason,
        detail=letter.detail,
        attempts=letter.attempts,
        died_at_ms=letter.died_at_ms,
        replayable=bool(letter.envelope),
    )


def operator_service(servicer: OperatorServicer) -> ServedService:
    """OperatorService as a server takes it; the operator comes before the system's own calls, for there are few."""
    reads = Access(callers=_CALLERS, idempotent=True, priority=Priority.WRITE)
    return ServedService(
        add_to_server=operator_service_pb2_grpc.add_OperatorServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["OperatorService"],
        access={
            "ListConsumerGroups": reads,
            "ListDeadLetters": reads,
            "ReplayDeadLetter": Access(callers=_CALLERS, priority=Priority.WRITE, max_deadline_ms=_LONGEST_MS),
            "ReplayArchive": Access(callers=_CALLERS, idempotent=True, priority=Priority.WRITE, max_deadline_ms=_LONGEST_MS),
            "RewindConsumerGroup": Access(callers=_CALLERS, idempotent=True, priority=Priority.WRITE, max_deadline_ms=_LONGEST_MS),
        },
    )
