"""Archived events as Parquet files: columns to read, and the whole envelope sealed, from which events come again."""

from __future__ import annotations

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from google.protobuf.message import DecodeError

from mesh.events.archive.places import Place, day_of
from mesh.events.archive.plain import Pseudonyms, plain
from mesh.sealing import Unreadable, derive, seal, unseal

COLUMNS = (
    "event_id",
    "topic",
    "type",
    "key",
    "key_version",
    "occurred_at_ms",
    "producer",
    "schema_version",
    "subjects",
    "payload",
    "envelope",
)
"""In the order in which they stand in a file. `key` and `subjects` hold pseudonyms of people, `payload` is JSON (see `plain`) or empty for a type
that was unknown, `envelope` is the EventEnvelope sealed to its event."""
_COMPRESSION = "zstd"
_DIGITS = re.compile(r"\d+")


class ArchiveDamaged(Exception):
    """An archived file is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """One file as it is to be written."""

    place: Place
    content: bytes
    event_ids: tuple[int, ...]


def encode(envelopes: Sequence[bytes], *, batch: str, key: bytes) -> list[ArchiveFile]:
    """One file for each topic, type and day. `batch` names what is archived together: the same batch again replaces its files."""
    pseudonyms = Pseudonyms(derive(key, "pseudonyms"))
    sealing = derive(key, "envelopes")
    groups: dict[tuple[str, str, date], list[EventEnvelope]] = defaultdict(list)
    for raw in envelopes:
        envelope = EventEnvelope.FromString(raw)
        groups[envelope.topic, envelope.type, day_of(envelope.occurred_at_ms)].append(envelope)
    digest = hashlib.sha256(batch.encode()).hexdigest()[:16]
    return [
        ArchiveFile(
            # Named after its first event, so that files are read in about the order in which things happened.
            place=Place(topic=topic, type=kind, day=day, name=f"{min(envelope.event_id for envelope in found):016x}-{digest}"),
            content=_written(_columns(found, pseudonyms=pseudonyms, sealing=sealing)),
            event_ids=tuple(envelope.event_id for envelope in found),
        )
        for (topic, kind, day), found in groups.items()
    ]


def decode(content: bytes, *, key: bytes) -> list[EventEnvelope]:
    """The events of a file, in the order in which they were written. Raises ArchiveDamaged."""
    import pyarrow as arrow  # noqa: PLC0415 some 60 MiB, and only who archives or reads needs it
    import pyarrow.parquet  # noqa: PLC0415

    sealing = derive(key, "envelopes")
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content), columns=["event_id", "envelope"])
        found = []
        for event_id, sealed in zip(table["event_id"].to_pylist(), table["envelope"].to_pylist(), strict=True):
            envelope = EventEnvelope.FromString(unseal(sealed, key=sealing, place=_sealed_to(event_id)))
            if envelope.event_id != event_id:
                raise ArchiveDamaged(f"an event stands under the id {event_id} that has another")
            found.append(envelope)
    except (arrow.ArrowException, OSError, Unreadable, DecodeError, KeyError) as error:
        raise ArchiveDamaged(f"the file cannot be read: {type(error).__name__}") from error
    return found


def check(content: bytes, event_ids: Iterable[int], *, key: bytes) -> None:
    """Raises ArchiveDamaged unless the file holds exactly these events."""
    if [envelope.event_id for envelope in decode(content, key=key)] != list(event_ids):
        raise ArchiveDamaged("the file holds other events than were written")


def _sealed_to(event_id: int) -> str:
    return f"archive:{event_id}"


def _columns(envelopes: Sequence[EventEnvelope], *, pseudonyms: Pseudonyms, sealing: bytes) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for envelope in envelopes:
        people = set(envelope.subject_ids)
        payload = plain(envelope.payload, envelope.type, subjects=people, pseudonyms=pseudonyms)
        row = (
            envelope.event_id,
            envelope.topic,
            envelope.type,
            _key(envelope.key, people, pseudonyms),
            envelope.key_version,
            envelope.occurred_at_ms,
            envelope.producer,
            envelope.schema_version,
            [pseudonyms.of(person) for person in envelope.subject_ids],
            "" if payload is None else orjson.dumps(payload).decode(),
            seal(envelope.SerializeToString(), key=sealing, place=_sealed_to(envelope.event_id)),
        )
        for name, value in zip(COLUMNS, row, strict=True):
            columns[name].append(value)
    return columns


def _key(key: str, people: set[int], pseudonyms: Pseudonyms) -> str:
    """A key in which ids of people are replaced, whatever stands around them."""
    return _DIGITS.sub(lambda found: pseudonyms.of(int(found[0])) if int(found[0]) in people else found[0], key)


def _written(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as arrow  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    types = {
        **dict.fromkeys(("event_id", "key_version", "occurred_at_ms"), arrow.int64()),
        **dict.fromkeys(("topic", "type", "key", "producer", "payload"), arrow.string()),
        "schema_version": arrow.int32(),
        "subjects": arrow.list_(arrow.string()),
        "envelope": arrow.binary(),
    }
    schema = arrow.schema([(name, types[name]) for name in COLUMNS])
    out = io.BytesIO()
    pyarrow.parquet.write_table(arrow.table(columns, schema=schema), out, compression=_COMPRESSION)
    return out.getvalue()
