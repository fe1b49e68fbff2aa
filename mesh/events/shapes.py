"""The shapes of a consumer: member of a set, versioned row, gathered. Each makes a repeated or late event change nothing.

A handler returns the plain rows that are the effect of its event. The shape prepares them, and the table's own rule does the rest: a row that
is not newer than what stands there changes nothing. What is gathered goes into a store that does the same by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from mesh.events.incoming import Incoming
from mesh.stores.tables.schema import key_of

Effect = Any
"""One plain row, a sequence of them, or None when the handler did what there was to do by itself."""
Handler = Callable[[Incoming[Any]], Awaitable[Effect]]


class Rejected(Exception):
    """The event can never work for this consumer: it becomes a dead letter at once, with `reason` as its stable word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class Consumer(ABC):
    """What one consumer reads and does. Subclass `SetMembership` or `VersionedRow`."""

    name: str
    """Names the consumer within its service; the group is `<service>.<name>`."""
    topics: Sequence[str]
    handlers: Mapping[type[Message], Handler]
    """By payload type; other types are skipped and counted."""

    @abstractmethod
    def rows_of(self, event: Incoming[Message], rows: tuple[Any, ...]) -> tuple[Any, ...]:
        """The rows as they are written. Raises Rejected when they do not have the shape."""


class VersionedRow(Consumer):
    """Each event leaves the state of its key, under the version it came from.

    Rows are stamped with the envelope's `key_version`, so one row must only ever be fed by events of one key. What is gone stays as a row that
    says so: without its version an older event would bring it back.
    """

    def rows_of(self, event: Incoming[Message], rows: tuple[Any, ...]) -> tuple[Any, ...]:
        """The rows, each with the event's version."""
        if rows and event.envelope.key_version < 1:
            raise Rejected("EVENT_WITHOUT_VERSION", f"{event.envelope.type} carries no key_version")
        return tuple(replace(row, version=event.envelope.key_version) for row in rows)


class SetMembership(Consumer):
    """Each event makes something a member of a set, once and for ever; counts are sizes of sets."""

    def operation_id(self, event: Incoming[Any]) -> int | str:
        """What makes the member the same one when the event comes again; it stands in the row's key. The event id unless overridden."""
        return event.envelope.event_id

    def rows_of(self, event: Incoming[Message], rows: tuple[Any, ...]) -> tuple[Any, ...]:
        """The rows, version 1 each, after a look whether their key holds the operation id."""
        operation_id = self.operation_id(event)
        for row in rows:
            if operation_id not in key_of(row):
                raise Rejected("ROW_WITHOUT_OPERATION_ID", f"the key of {type(row).__name__} does not hold the operation id")
        return tuple(replace(row, version=1) for row in rows)


class Gathered(Consumer):
    """Many events leave their effect together, and some may be held for a while so that more come together.

    Nothing is acknowledged before everything ahead of it is recorded, so what was held when a process ended comes again. Effects have to be such
    that this changes nothing: a set that compares versions.
    """

    @abstractmethod
    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """Record the effects of events, given in the order in which they came, and return those that are held; these are asked again, with what
        came since, before long. With `last` nothing may be held. After an error each event is tried alone: one event with `last`,
        whose effect must then be recorded apart from all others, or one that can never work takes them along."""

    async def alone(self, event: Incoming[Any]) -> None:
        """The handler of every type: the effect of one event at once."""
        await self.gather((event,), last=True)

    def rows_of(self, event: Incoming[Message], rows: tuple[Any, ...]) -> tuple[Any, ...]:
        """None: the effect is recorded by `gather`."""
        return rows
