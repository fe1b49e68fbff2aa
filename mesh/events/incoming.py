"""An event as it arrives: the envelope opened, the payload parsed as the type that the envelope names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)
M_co = TypeVar("M_co", bound=Message, covariant=True)


class MalformedEvent(ValueError):
    """The bytes are no envelope, or the payload is not what the envelope says."""


@dataclass(frozen=True, slots=True)
class Incoming(Generic[M_co]):
    """One event for a handler."""

    envelope: EventEnvelope
    message: M_co


def open_envelope(value: bytes) -> EventEnvelope:
    """The envelope in a record's value. Raises MalformedEvent."""
    try:
        envelope = EventEnvelope.FromString(value)
    except DecodeError as error:
        raise MalformedEvent(f"not an event envelope: {error}") from error
    if not envelope.type or not envelope.event_id:
        raise MalformedEvent("an envelope without type or event id")
    return envelope


def open_payload(envelope: EventEnvelope, message_type: type[M]) -> Incoming[M]:
    """The event with its payload parsed. Raises MalformedEvent."""
    try:
        return Incoming(envelope, message_type.FromString(envelope.payload))
    except DecodeError as error:
        raise MalformedEvent(f"the payload is no {envelope.type}: {error}") from error


def incoming_of(value: bytes, message_types: Iterable[type[M]]) -> Incoming[M] | None:
    """The event in a record's value, None when its type is none of `message_types`. Raises MalformedEvent."""
    envelope = open_envelope(value)
    for message_type in message_types:
        if message_type.DESCRIPTOR.full_name == envelope.type:
            return open_payload(envelope, message_type)
    return None
