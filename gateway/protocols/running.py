"""Operations under way: what becomes of them when their client goes away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import OperationType
from opentelemetry.trace import SpanKind
from starlette.types import Receive

from gateway.admission import SIGN_UPS, Admission, reading_cost
from gateway.context import Context, Contexts
from gateway.errors import Fault, code_told
from gateway.execution.deferring import Form
from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Engine, Plan
from gateway.execution.limits import TooCostly
from gateway.execution.persisted import DocumentSource
from gateway.metrics import OPERATION_SECONDS, OPERATIONS, REFUSED
from gateway.viewers import Viewer
from mesh.telemetry import Telemetry

PATIENCE_S = 0.05
"""What takes no longer is finished for whoever has left, too: to listen for that costs more than it saves."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass(slots=True)
class _Observed:
    code: str = "OK"
    """Of the first error."""


class Running:
    """Plans, admits and runs operations: an abandoned query ends with its calls, an abandoned mutation finishes."""

    def __init__(self, *, engine: Engine, admission: Admission, contexts: Contexts, telemetry: Telemetry, source: DocumentSource) -> None:
        self.engine = engine
        self.contexts = contexts
        self._source = source
        self._admission = admission
        self._telemetry = telemetry
        self._finishing: set[asyncio.Task[Any]] = set()

    async def admit(self, asked: Sequence[Asked], viewer: Viewer) -> list[Plan | Invalid]:
        """Plans of what is asked together, or why one has none; counted against the viewer before anything runs.

        Raises RateLimited, and TooCostly when only the sum of them is too much.
        """
        try:
            self._admission.check(viewer)
            unread = 0
            plans: list[Plan | Invalid] = []
            for one in asked:
                if plans:
                    # A batch holds the loop no longer than one document does.
                    await asyncio.sleep(0)
                try:
                    read = await self._source.read(one) if one.persisted or self._source.asks_all else one
                except Invalid as invalid:
                    plans.append(self._refused(invalid))
                    continue
                unread += self._reading(read)
                plans.append(self._planned(read))
            await self._charge(plans, viewer, unread)
        except Fault as fault:
            self._telemetry.count(OPERATIONS, kind=REFUSED, code=fault.code)
            raise
        for plan in plans:
            # What was within every limit, and paid for.
            if isinstance(plan, Plan) and plan.asked.persisted:
                await self._source.ran(plan, viewer)
        return plans

    def _reading(self, asked: Asked) -> int:
        if self.engine.documents.knows(asked.query):
            return 0
        return reading_cost(min(len(asked.query), self.engine.limits.document_bytes))

    def _planned(self, asked: Asked) -> Plan | Invalid:
        try:
            return self.engine.plan(asked)
        except Invalid as invalid:
            return self._refused(invalid)

    def _refused(self, invalid: Invalid) -> Invalid:
        self._telemetry.count(OPERATIONS, kind=REFUSED, code=code_told(invalid.errors[0]))
        return invalid

    async def _charge(self, plans: Sequence[Plan | Invalid], viewer: Viewer, reading: int) -> None:
        good = [plan for plan in plans if isinstance(plan, Plan)]
        cost, most = sum(plan.cost for plan in good), self.engine.limits.cost
        refused = len(plans) if cost > most else len(plans) - len(good)
        if refused:
            await self._admission.charge_refusal(viewer, count=refused, reading=reading)
            reading = 0
        if cost > most:
            raise TooCostly("cost", f"the batch costs {cost}, at most {most} may be asked at once", most=most, found=cost)
        if good:
            sign_ups = sum(name in SIGN_UPS for plan in good for name in plan.operation.root_fields)
            await self._admission.charge(viewer, cost + reading, sign_ups=sign_ups)

    async def answer(self, plan: Plan, viewer: Viewer, request_id: str, *, receive: Receive | None = None) -> dict[str, Any]:
        """The response to a query or mutation. Raises Invalid, and ClientGone when `receive` tells of it first."""
        context = self.contexts.make(viewer, request_id)
        task = asyncio.create_task(self._run(plan, context))
        try:
            if receive is None or not await _is_done(task, PATIENCE_S):
                await self._done_or_gone(task, receive)
            return task.result()
        finally:
            if not task.done():
                self._abandon(plan, task)

    async def parts(self, plan: Plan, viewer: Viewer, request_id: str, form: Form) -> AsyncGenerator[dict[str, Any], None]:
        """The parts of the response to a query or mutation as they are ready. Raises Invalid before the first one.

        Whoever stops listening ends what is deferred; the mutation before it finishes.
        """
        # No bound: together the parts are what the whole answer would be, and one that waits for a reader would eat up the deadline of the others.
        ready: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        task = asyncio.create_task(self._run_in_parts(plan, self.contexts.make(viewer, request_id), form, ready))
        begun = False
        try:
            while (part := await ready.get()) is not None:
                begun = True
                yield part
            await task
        finally:
            if not task.done():
                self._abandon(plan, task, ends=begun)

    async def _run_in_parts(self, plan: Plan, context: Context, form: Form, ready: asyncio.Queue[dict[str, Any] | None]) -> None:
        try:
            with self._observed(plan) as observed:
                observed.code = await self.engine.run_in_parts(plan, context, form, ready.put_nowait)
        finally:
            ready.put_nowait(None)

    async def _done_or_gone(self, task: asyncio.Task[Any], receive: Receive | None) -> None:
        gone = asyncio.create_task(_until_gone(receive)) if receive is not None else None
        try:
            await asyncio.wait({task, gone} if gone is not None else {task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if gone is not None:
                gone.cancel()
        if not task.done():
            raise ClientGone

    async def _run(self, plan: Plan, context: Context) -> dict[str, Any]:
        with self._observed(plan) as observed:
            body = await self.engine.run(plan, context)
            if "errors" in body:
                observed.code = body["errors"][0]["extensions"]["code"]
        return body

    @contextlib.contextmanager
    def _observed(self, plan: Plan) -> Iterator[_Observed]:
        """Count and time what runs in the block."""
        began, kind, observed = time.perf_counter(), plan.kind.value, _Observed()
        try:
            with self._telemetry.span(f"graphql.{kind}", kind=SpanKind.SERVER):
                yield observed
        except Invalid as invalid:
            self._refused(invalid)
            raise
        self._telemetry.count(OPERATIONS, kind=kind, code=observed.code)
        self._telemetry.observe(OPERATION_SECONDS, time.perf_counter() - began, kind=kind)

    def _abandon(self, plan: Plan, task: asyncio.Task[Any], *, ends: bool = False) -> None:
        if ends or plan.kind is not OperationType.MUTATION:
            task.cancel()
        self._finishing.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._finishing.discard(task)
        if not task.cancelled():
            task.exception()

    async def drain(self, timeout_s: float) -> None:
        """Let abandoned mutations finish."""
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=timeout_s)


async def _is_done(task: asyncio.Task[Any], wait_s: float) -> bool:
    await asyncio.wait({task}, timeout=wait_s)
    return task.done()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
