"""The loop's side of a write: waits under the deadline, withdraws what has not begun, settles what may have happened."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from typing import Any

from mesh import deadline
from mesh.stores.tables.port import InvalidUse, OutcomeUnknown, TablesUnavailable
from mesh.stores.tables.sqlite.readers import DEFAULT_S
from mesh.stores.tables.sqlite.writer import GroupWriter, Write
from mesh.stores.tables.sqlite.writes import Done, Operation

_MOST_UNSETTLED = 10_000
"""Writes whose callers may still ask; the oldest are forgotten first."""


class Submissions:
    """Hands writes to the writer and answers their callers."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self._prefix = secrets.token_hex(8)
        self._unsettled: OrderedDict[str, Write] = OrderedDict()
        self._count = 0
        self._refused = False

    def refuse(self) -> None:
        """Take no further write: the store is closing."""
        self._refused = True

    def check_open(self) -> None:
        """TablesUnavailable once the store is closing."""
        if self._refused:
            raise TablesUnavailable("the tables are closed")

    async def run(self, operation: Operation) -> Any:
        """What the write answers once it is durable. A caller that is cancelled leaves its write to its fate."""
        self.check_open()
        left_s = deadline.remaining_s(DEFAULT_S)
        if left_s <= 0:
            raise TablesUnavailable("the deadline passed before the write began")
        write = self._writer.queue(operation)
        timer = asyncio.get_running_loop().call_later(left_s, self._out_of_time, write)
        try:
            return await write.future
        except OutcomeUnknown as unknown:
            raise OutcomeUnknown(unknown.token or self._remember(write)) from unknown
        finally:
            timer.cancel()

    def _out_of_time(self, write: Write) -> None:
        if write.future.done():
            return
        if write.claim():
            write.future.set_exception(TablesUnavailable("the deadline passed before the write began"))
        else:
            write.settled = asyncio.Event()
            write.future.set_exception(OutcomeUnknown(self._remember(write)))

    def _remember(self, write: Write) -> str:
        self._count += 1
        token = f"{self._prefix}.{self._count}"
        self._unsettled[token] = write
        if len(self._unsettled) > _MOST_UNSETTLED:
            self._unsettled.popitem(last=False)
        return token

    async def settle(self, token: str) -> bool:
        """Whether the write happened."""
        write = self._unsettled.get(token)
        if write is None:
            raise InvalidUse("no write waits for this token")
        if write.outcome is None and write.settled is not None:
            try:
                async with asyncio.timeout(deadline.remaining_s(DEFAULT_S)):
                    await write.settled.wait()
            except TimeoutError as error:
                raise TablesUnavailable("the write is still under way") from error
        if isinstance(write.outcome, OutcomeUnknown):
            raise TablesUnavailable("the commit failed; only a new start can tell")
        return isinstance(write.outcome, Done)
