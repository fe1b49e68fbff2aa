"""Runs operations: reads and prices them, executes them as their viewer, tells what went wrong without telling too much."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType
from graphql.execution import Executor, create_source_event_stream
from strawberry.execution import optimized_is_awaitable

from gateway.context import Context
from gateway.errors import told
from gateway.execution.documents import Document, Documents, Invalid, Operation
from gateway.execution.limits import OperationLimits, TooCostly

MOST_COERCION_ERRORS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client sent, its shape checked."""

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An operation that may run."""

    asked: Asked
    document: Document
    operation: Operation
    cost: int

    @property
    def kind(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.operation.kind


class Engine:
    """One schema, ready to be asked."""

    def __init__(self, *, schema: strawberry.Schema, limits: OperationLimits, introspection: bool, cached_characters: int) -> None:
        self._schema = schema._schema
        self.limits = limits
        self.documents = Documents(schema=self._schema, limits=limits, introspection=introspection, cached_characters=cached_characters)

    def plan(self, asked: Asked) -> Plan:
        """Read, limit, price and validate, in the order of what they cost. Raises Invalid."""
        document = self.documents.read(asked.query)
        operation = document.operation(asked.operation_name)
        cost = operation.cost(asked.variables)
        if cost > self.limits.cost:
            sentence = f"the operation costs {cost}, at most {self.limits.cost} may be asked at once: ask for fewer items or fields"
            raise Invalid([TooCostly("cost", sentence, most=self.limits.cost, found=cost)])
        self.documents.validate(document)
        return Plan(asked=asked, document=document, operation=operation, cost=cost)

    async def run(self, plan: Plan, context: Context) -> dict[str, Any]:
        """The response to a query or mutation. Raises Invalid when variables do not fit; cancelling ends the calls that run for it."""
        executor = self._executor(plan, context)
        try:
            with context.acting():
                result = executor.execute_operation()
                done = cast(ExecutionResult, await result if inspect.isawaitable(result) else result)
                return body_of(done, context)
        finally:
            context.loaders.cancel()

    async def follow(self, plan: Plan, make_context: Callable[[], Context]) -> AsyncGenerator[dict[str, Any], None]:
        """The responses of a subscription, one a step with a context of its own. Raises Invalid when variables do not fit."""
        context = make_context()
        executor = self._executor(plan, context)
        created = create_source_event_stream(executor)
        source = await created if inspect.isawaitable(created) else created
        if isinstance(source, ExecutionResult):
            yield body_of(source, context)
            return
        async with aclosing(cast(AsyncGenerator[Any, None], source)) as events:
            iterator: AsyncIterator[Any] = aiter(events)
            while True:
                try:
                    event = await anext(iterator)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    yield refusal_of([_as_graphql(error, plan)], context.request_id, executing=True)
                    return
                yield await self._step(executor, event, make_context())

    async def _step(self, executor: Executor[Any], event: Any, context: Context) -> dict[str, Any]:
        step = executor.build_per_event_executor(event)
        step.context_value = context
        try:
            with context.acting():
                result = step.execute_operation(False)
                done = cast(ExecutionResult, await result if inspect.isawaitable(result) else result)
                return body_of(done, context)
        finally:
            context.loaders.cancel()

    def _executor(self, plan: Plan, context: Context) -> Executor[Any]:
        built = Executor.build(
            self._schema,
            plan.document.node,
            context_value=context,
            raw_variable_values=dict(plan.asked.variables),
            operation_name=plan.asked.operation_name or None,
            max_coercion_errors=MOST_COERCION_ERRORS,
            is_awaitable=cast(Callable[[Any], TypeGuard[Awaitable[Any]]], optimized_is_awaitable),
            hide_suggestions=True,
        )
        if isinstance(built, list):
            raise Invalid(built)
        return built


def _as_graphql(error: Exception, plan: Plan) -> GraphQLError:
    """An error of the source itself, at the subscription's root field."""
    node = plan.operation.node.selection_set.selections[0]
    name = plan.operation.root_fields[0]
    return GraphQLError(str(error), nodes=[node], path=[name], original_error=error)


def body_of(result: ExecutionResult, context: Context) -> dict[str, Any]:
    """A result as the body of a response."""
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [told(error, context.request_id, executing=True) for error in result.errors]
    if context.degraded:
        body["extensions"] = {"degraded": sorted(context.degraded)}
    return body


def refusal_of(errors: Sequence[GraphQLError], request_id: str, *, executing: bool = False) -> dict[str, Any]:
    """A body without data."""
    return {"errors": [told(error, request_id, executing=executing) for error in errors]}
