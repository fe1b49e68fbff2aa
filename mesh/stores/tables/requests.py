"""Makes a write repeatable: the first call with a request id decides which resource all its repeats speak of."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mesh.clock import Clock
from mesh.errors import Aborted, InvalidArgument, RequestIdReused
from mesh.events.event import Event
from mesh.stores.tables.port import OutcomeUnknown, RowExists, Tables
from mesh.stores.tables.schema import Guard, Partition, table

KEPT_MS = 24 * 3_600_000
"""How long a request id is remembered."""

APPLIED_KEPT = 16
"""How many of its last changes a row remembers; a repeat that comes after so many others is refused, not guessed at."""


@table("request_records", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What the first call with a request id was about."""

    request_key: Partition[bytes]
    """SHA-256 of caller, method and request id."""
    body_hash: bytes = b""
    """SHA-256 of the request, keyed where it may have words of people."""
    resource_id: int = 0
    expires_at_ms: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Which resource a request speaks of."""

    resource_id: int
    repeated: bool
    """True when an earlier call claimed it. Whether that call also wrote the resource is not said: put it if absent, either way."""


def is_applied(applied: str, claim: Claim) -> bool:
    """True when the change that `claim` stands for is in the row whose `applied` column this is.

    For changes of a row that is there already, where put-if-absent says nothing: each claims a new operation id as its resource and notes it in
    the row that it changes, in the same write. Raises Aborted when so many other changes came since that nobody can say any more.
    """
    operations = applied.split()
    if str(claim.resource_id) in operations:
        return True
    # What was applied and forgotten was followed by as many others as are kept, the last of them claimed later than it was.
    if claim.repeated and len(operations) >= APPLIED_KEPT and max(map(int, operations)) > claim.resource_id:
        raise Aborted("too much has changed since this request was first made; read again and use a new request id")
    return False


def is_newest(applied: str, claim: Claim) -> bool:
    """True when the change that `claim` stands for is the last that the row with this `applied` column has seen."""
    return applied.split()[-1:] == [str(claim.resource_id)]


def with_applied(applied: str, claim: Claim) -> str:
    """The `applied` column after the change that `claim` stands for, oldest first."""
    return " ".join([*applied.split(), str(claim.resource_id)][-APPLIED_KEPT:])


class RequestLog:
    """Claims request ids in the service's own tables."""

    def __init__(self, tables: Tables, clock: Clock, *, body_key: bytes = b"") -> None:
        """With `body_key` what is kept of bodies is a keyed hash: for requests with words of people, which could be guessed back."""
        self._tables = tables
        self._clock = clock
        self._body_key = body_key

    async def claim(self, *, caller: int | str, method: str, request_id: str, body: bytes, new_id: Callable[[], int]) -> Claim:
        """The resource of this request: a new id for the first call, the same for each repeat within 24 h.

        Raises RequestIdReused when the id came with another body, InvalidArgument when it is empty; then nothing is written.
        """
        record = self._record(caller, method, request_id, body, new_id)
        try:
            try:
                await self._tables.insert(record)
            except OutcomeUnknown as unknown:
                if not await self._tables.settle(unknown.token):
                    await self._tables.insert(record)
        except RowExists as exists:
            return _repeat(exists.row, record, method, request_id)
        return Claim(record.resource_id, repeated=False)

    async def claim_and_put(
        self, row: Any, *, events: Sequence[Event], caller: int | str, method: str, request_id: str, body: bytes, resource_id: int
    ) -> Claim:
        """`claim` by a call that knows already what it is going to write: the first one puts the plain row with its events in the same step.

        A repeat puts nothing; whether the row of the first call is there it has to look for, as after any claim that is repeated.
        """
        record = self._record(caller, method, request_id, body, lambda: resource_id)
        try:
            try:
                await self._tables.put_once(record, row, events=events)
            except OutcomeUnknown as unknown:
                if await self._tables.settle(unknown.token):
                    return Claim(resource_id, repeated=True)
                await self._tables.put_once(record, row, events=events)
        except RowExists as exists:
            return _repeat(exists.row, record, method, request_id)
        return Claim(resource_id, repeated=False)

    async def known(self, *, caller: int | str, method: str, request_id: str, body: bytes) -> Claim | None:
        """The claim of an earlier call with this request id, None when there is none; writes nothing. Lets a repeat be answered before anything is
        judged anew that may have changed meanwhile. Raises RequestIdReused when the id came with another body."""
        row = await self._tables.get(RequestRecord, _request_key(caller, method, request_id))
        if row is None:
            return None
        if row.body_hash != self._print_of(body):
            raise RequestIdReused(f"request_id {request_id!r} was used for another request", method=method)
        return Claim(row.resource_id, repeated=True)

    def _print_of(self, body: bytes) -> bytes:
        return hmac.digest(self._body_key, body, hashlib.sha256) if self._body_key else hashlib.sha256(body).digest()

    def _record(self, caller: int | str, method: str, request_id: str, body: bytes, new_id: Callable[[], int]) -> RequestRecord:
        if not request_id:
            raise InvalidArgument("request_id is empty", field="request_id")
        return RequestRecord(
            request_key=_request_key(caller, method, request_id),
            body_hash=self._print_of(body),
            resource_id=new_id(),
            expires_at_ms=self._clock.now_ms() + KEPT_MS,
        )


def _repeat(first: RequestRecord, record: RequestRecord, method: str, request_id: str) -> Claim:
    """What the record that stands says to a later one of the same request id. Raises RequestIdReused."""
    if first.body_hash != record.body_hash:
        raise RequestIdReused(f"request_id {request_id!r} was used for another request", method=method) from None
    return Claim(first.resource_id, repeated=True)


def _request_key(caller: int | str, method: str, request_id: str) -> bytes:
    """One key for the three; lengths keep them apart, the type keeps caller 7 and caller "7" apart."""
    parts = [f"{type(caller).__name__}:{caller}", method, request_id]
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).digest()
