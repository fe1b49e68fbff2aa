"""What an archived event says to whoever reads for training or statistics: people by pseudonym, personal words left out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
from collections.abc import Callable, Collection
from typing import Any

from clipmesh.common.v1 import personal_pb2
from google.protobuf import symbol_database
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

_DIGEST_BYTES = 12


class Pseudonyms:
    """The same person has the same pseudonym everywhere in the archive, and only who has the key can tell whose it is."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, person_id: int) -> str:
        """The pseudonym of a person; empty for 0, which is nobody."""
        if person_id == 0:
            return ""
        return "p" + hmac.digest(self._key, str(person_id).encode(), hashlib.sha256)[:_DIGEST_BYTES].hex()


def payload_type(name: str) -> type[Message] | None:
    """The message class of a full protobuf name; events of a package `a.b.v1` are declared in its `events_pb2`. None for a type of another
    release."""
    try:
        importlib.import_module(f"{name.rpartition('.')[0]}.events_pb2")
        return symbol_database.Default().GetSymbol(name)
    except (ImportError, KeyError):
        return None


def plain(payload: bytes, type_name: str, *, subjects: Collection[int], pseudonyms: Pseudonyms) -> dict[str, Any] | None:
    """The payload as JSON can hold it, fields by their proto names, unset ones left out.

    Numbers that are one of `subjects` become pseudonyms, fields marked `personal` are left out unless they are numbers. None when the type is
    unknown here or the bytes are none of it.
    """
    message_type = payload_type(type_name)
    if message_type is None:
        return None
    try:
        message = message_type.FromString(payload)
    except DecodeError:
        return None
    people = frozenset(subjects)
    return _fields(message, lambda number, personal: pseudonyms.of(number) if personal or number in people else number)


def _fields(message: Message, number: Callable[[int, bool], Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field, value in message.ListFields():
        personal = field.GetOptions().Extensions[personal_pb2.personal]
        if personal and field.cpp_type in _WORDS:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            told[field.name] = {
                str(key): _value(field.message_type.fields_by_name["value"], one, number, personal) for key, one in value.items()
            }
        elif field.is_repeated:
            told[field.name] = [_value(field, one, number, personal) for one in value]
        else:
            told[field.name] = _value(field, value, number, personal)
    return told


_WORDS = frozenset({FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_MESSAGE})
_NUMBERS = frozenset(
    {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64}
)


def _value(field: FieldDescriptor, value: Any, number: Callable[[int, bool], Any], personal: bool) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return _fields(value, number)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named is not None else value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if field.cpp_type in _NUMBERS:
        return number(value, personal)
    return value
