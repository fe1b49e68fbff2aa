"""Runs operations: reads and prices them, executes them as their viewer, tells what went wrong without telling too much."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeGuard, cast

import strawberry
from graphql import ExecutionResult, GraphQLError, OperationType, assert_valid_schema
from graphql.execution import Executor, create_source_event_stream
from graphql.execution.incremental import IncrementalExecutor
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.execution import optimized_is_awaitable

from gateway.context import Context
from gateway.errors import told
from gateway.execution.compiling import Compiler
from gateway.execution.deferring import Form, Put, run_in_parts
from gateway.execution.documents import Document, Documents, Invalid, Operation
from gateway.execution.limits import OperationLimits, TooCostly
from gateway.execution.runs import Run
from gateway.execution.variables import PlainVariables

MOST_COERCION_ERRORS = 10

_Execution = Callable[[], Awaitable[ExecutionResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client sent, its shape checked."""

    query: str
    """The text of the document; empty while only its hash is known."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    persisted: str = ""
    """SHA-256 of the document, when the client names it and it is still to be found or kept."""


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

    @property
    def defers(self) -> bool:
        """Whether parts of the answer may come later, to who takes them."""
        return self.document.defers and self.kind is not OperationType.SUBSCRIPTION


class Engine:
    """One schema, ready to be asked."""

    def __init__(
        self, *, schema: strawberry.Schema, limits: OperationLimits, introspection: bool, cached_characters: int, compiled: bool = True
    ) -> None:
        """`compiled` is whether queries are compiled where they can be; else graphql-core runs them all."""
        self._schema = schema._schema
        # Builds every lazy part of the schema now; the first request would hold the loop for it.
        assert_valid_schema(self._schema)
        self.limits = limits
        self.documents = Documents(schema=self._schema, limits=limits, introspection=introspection, cached_characters=cached_characters)
        self._compiler = Compiler(schema) if compiled else None
        self._compiled = self._queries = 0

    @property
    def compiled_ratio(self) -> float:
        """Share of the queries that ran compiled."""
        return self._compiled / max(1, self._queries)

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
        """The response to a query or mutation, whole whatever it defers. Raises Invalid when variables do not fit; cancelling ends the calls that run for it."""
        execute = self._compiled_run(plan, context) or self._core_run(plan, context)
        try:
            with context.acting():
                return body_of(await execute(), context)
        finally:
            context.loaders.cancel()

    async def run_in_parts(self, plan: Plan, context: Context, form: Form, put: Put) -> str:
        """Put the parts of the response as they are ready; the code of its first error, or "OK". Raises Invalid before the first part."""
        executor = self._executor(plan, context, IncrementalExecutor)
        return await run_in_parts(cast(IncrementalExecutor, executor), context, form, put)

    def _compiled_run(self, plan: Plan, context: Context) -> _Execution | None:
        document, operation = plan.document, plan.operation
        self._queries += operation.kind is OperationType.QUERY
        compiler = self._compiler
        if compiler is None or not compiler.may_compile(document, operation):
            return None
        variables = self._variables(plan)
        shape = compiler.shape(document, operation, variables)
        if shape is None:
            return None
        self._compiled += 1
        return partial(Run(context=context, variables=variables, convert=compiler.convert).execute, shape)

    def _core_run(self, plan: Plan, context: Context) -> _Execution:
        executor = self._executor(plan, context)

        async def execute() -> ExecutionResult:
            result = executor.execute_operation()
            return cast(ExecutionResult, await result if inspect.isawaitable(result) else result)

        return execute

    def _variables(self, plan: Plan) -> VariableValues:
        operation = plan.operation
        definitions = operation.node.variable_definitions or ()
        if not operation.readers:
            operation.readers.append(PlainVariables(self._schema, definitions))
        plain = operation.readers[0].read(plan.asked.variables)
        if plain is not None:
            return plain
        found = get_variable_values(
            self._schema, definitions, dict(plan.asked.variables), max_errors=MOST_COERCION_ERRORS, hide_suggestions=True
        )
        if isinstance(found, list):
            raise Invalid(found)
        return found

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

    def _executor(self, plan: Plan, context: Context, kind: type[Executor[Any]] = Executor) -> Executor[Any]:
        built = kind.build(
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
