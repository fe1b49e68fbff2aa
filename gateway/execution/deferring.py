"""Answers that come in parts: what a fragment under @defer asks follows the rest.

graphql-core plans and runs them. Two ways of writing parts are known to clients: PENDING, the one of the GraphQL specification's draft (announced by id,
delivered, completed; `incrementalSpec=v0.2`), and PATHS, the older one of most clients in use (each part says its path and label; `deferSpec=20220824`).
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from graphql import ExecutionResult, GraphQLError
from graphql.execution import ExperimentalIncrementalExecutionResults
from graphql.execution.incremental import IncrementalExecutor
from graphql.execution.types import (
    CompletedResult,
    IncrementalDeferResult,
    InitialIncrementalExecutionResult,
    PendingResult,
    SubsequentIncrementalExecutionResult,
)

from gateway.context import Context
from gateway.errors import told

Put = Callable[[dict[str, Any]], None]
"""Takes one part of an answer."""


class Form(enum.StrEnum):
    """How parts are written; the value is how clients ask for it."""

    PENDING = "incrementalSpec=v0.2"
    PATHS = "deferSpec=20220824"


def form_of(parameters: Mapping[str, str]) -> Form | None:
    """The form that parameters of a media type, or of a socket, name; None when they name none of ours."""
    asked = {f"{name}={value}" for name, value in parameters.items()}
    return next((form for form in Form if form.value in asked), None)


async def run_in_parts(executor: IncrementalExecutor, context: Context, form: Form, put: Put) -> str:
    """Run an operation and put its parts as they are ready; the code of the first error in any of them, "OK" without one.

    Everything runs within the deadline and with the loaders of `context`. Cancelling it cancels what is deferred.
    """
    parts = _Parts(context, form)
    try:
        with context.acting():
            result = executor.execute_operation()
            done = await result if inspect.isawaitable(result) else result
            if not isinstance(done, ExperimentalIncrementalExecutionResults):
                put(parts.only(done))
                return parts.code
            async with aclosing(done.subsequent_results) as subsequent:
                put(parts.first(done.initial_result))
                async for one in subsequent:
                    put(parts.next(one))
            return parts.code
    finally:
        context.loaders.cancel()


class _Parts:
    """Writes the parts of one answer."""

    def __init__(self, context: Context, form: Form) -> None:
        self._context = context
        self._form = form
        self.code = "OK"
        """Of the first error that was told."""
        self._degraded = 0
        self._pending: dict[str, PendingResult] = {}
        self._delivered: set[str] = set()

    def only(self, result: ExecutionResult) -> dict[str, Any]:
        """The one part of an answer in which nothing was deferred after all."""
        return {**self._body(result.data, result.errors), "hasNext": False}

    def first(self, result: InitialIncrementalExecutionResult) -> dict[str, Any]:
        body = self._body(result.data, result.errors)
        pending = self._announced(result.pending)
        return {**body, **pending, "hasNext": True}

    def next(self, result: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        written = self._by_id(result) if self._form is Form.PENDING else self._by_path(result)
        return {**written, **self._extensions(), "hasNext": result.has_next}

    def _body(self, data: dict[str, Any] | None, errors: Sequence[GraphQLError] | None) -> dict[str, Any]:
        return {"data": data, **self._errors(errors), **self._extensions()}

    def _errors(self, errors: Sequence[GraphQLError] | None) -> dict[str, Any]:
        if not errors:
            return {}
        seen = [told(one, self._context.request_id, executing=True) for one in errors]
        if self.code == "OK":
            self.code = seen[0]["extensions"]["code"]
        return {"errors": seen}

    def _extensions(self) -> dict[str, Any]:
        """What is missing, told again as soon as it is more."""
        degraded = self._context.degraded
        if len(degraded) == self._degraded:
            return {}
        self._degraded = len(degraded)
        return {"extensions": {"degraded": sorted(degraded)}}

    def _announced(self, pending: Sequence[PendingResult] | None) -> dict[str, Any]:
        self._pending.update({one.id: one for one in pending or ()})
        if self._form is Form.PATHS or not pending:
            return {}
        return {"pending": [{"id": one.id, "path": one.path, **_label(one)} for one in pending]}

    def _by_id(self, result: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        written = self._announced(result.pending)
        if result.incremental:
            written["incremental"] = [
                {"id": one.id, **({"subPath": one.sub_path} if one.sub_path else {}), "data": one.data, **self._errors(one.errors)}
                for one in cast(Sequence[IncrementalDeferResult], result.incremental)
            ]
        if result.completed:
            written["completed"] = [{"id": one.id, **self._errors(one.errors)} for one in result.completed]
        return written

    def _by_path(self, result: SubsequentIncrementalExecutionResult) -> dict[str, Any]:
        self._announced(result.pending)
        patches = []
        for one in cast(Sequence[IncrementalDeferResult], result.incremental or ()):
            fragment = self._pending[one.id]
            path = [*fragment.path, *(one.sub_path or ())]
            if not one.sub_path:
                self._delivered.add(one.id)
            patches.append({"data": one.data, "path": path, **_label(fragment), **self._errors(one.errors)})
        patches += [patch for one in result.completed or () if (patch := self._ended(one)) is not None]
        return {"incremental": patches} if patches else {}

    def _ended(self, completed: CompletedResult) -> dict[str, Any] | None:
        """The patch of a fragment that failed, or that was delivered as parts of others: who waits for its label would wait for ever."""
        fragment = self._pending[completed.id]
        if completed.errors:
            return {"data": None, "path": fragment.path, **_label(fragment), **self._errors(completed.errors)}
        if completed.id in self._delivered:
            return None
        return {"data": {}, "path": fragment.path, **_label(fragment)}


def _label(fragment: PendingResult) -> dict[str, str]:
    return {"label": fragment.label} if fragment.label is not None else {}
