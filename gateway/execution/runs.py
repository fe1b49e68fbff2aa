"""One execution of a compiled query: what it waits for, and what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, FieldNode, GraphQLError, located_error
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import StrawberryArgument

from gateway.context import Context
from gateway.execution.shapes import Fetched, ObjectShape, Path, Resolved, Row

Convert = Callable[[dict[str, Any], Sequence[StrawberryArgument]], dict[str, Any]]
"""Arguments as graphql-core has them -> as resolvers take them."""


@dataclass(frozen=True, slots=True)
class Acting:
    """What resolvers see of an operation."""

    context: Context


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something that is waited for belongs."""

    step: Fetched | Resolved
    row: Row
    path: Path
    take: Callable[[], Any]


class Run:
    """Walks a shape, and comes back to each place as soon as what it waits for has arrived."""

    def __init__(self, *, context: Context, variables: VariableValues, convert: Convert) -> None:
        self.context = context
        self.acting = Acting(context)
        self._variables = variables
        self._convert = convert
        self._arguments: dict[Resolved, dict[str, Any]] = {}
        self._begun: list[tuple[Coroutine[Any, Any, Any], Resolved, Row, Path]] = []
        self._waiting: dict[asyncio.Future[Any], list[_Place]] = {}
        self._tasks: list[asyncio.Task[Any]] = []
        self._errors: list[GraphQLError] = []
        self._nulled: set[Path] = set()

    async def execute(self, root: ObjectShape) -> ExecutionResult:
        """The result. Cancelling it cancels the resolvers."""
        data: Row | None
        try:
            data = root.row(self, None, None)
        except GraphQLError as error:
            data = None
            self._add(error, None)
        try:
            while self._begun or self._waiting:
                await self._step()
        finally:
            await self._end()
        return ExecutionResult(data, self._errors or None)

    def arguments(self, step: Resolved) -> dict[str, Any]:
        """Arguments of a field, the same for every object. Raises GraphQLError."""
        known = self._arguments.get(step)
        if known is None:
            given = get_argument_values(step.definition, step.nodes[0], self._variables, None, True)
            known = self._arguments[step] = self._convert(given, step.arguments)
        return known

    def begin(self, resolving: Coroutine[Any, Any, Any], step: Resolved, row: Row, path: Path) -> None:
        """Run a resolver beside the others."""
        self._begun.append((resolving, step, row, path))

    def wait(self, coming: asyncio.Future[Any], step: Fetched, row: Row, path: Path, take: Callable[[], Any]) -> None:
        """Come back when a batch is there."""
        self._waiting.setdefault(coming, []).append(_Place(step, row, path, take))

    def failed(self, error: Exception, nodes: list[FieldNode], path: Path, *, nullable: bool) -> None:
        """Note an error at a place that may be null; at another raise it, with its place, for the one above."""
        located = located_error(error, nodes, _keys(path))
        if not nullable:
            raise located
        self._add(located, path)

    async def _step(self) -> None:
        begun, self._begun = self._begun, []
        if len(begun) == 1 and not self._waiting:
            # Nothing goes on beside it: it needs no task of its own.
            ((resolving, step, row, path),) = begun
            try:
                row[step.name] = step.arrived(self, await resolving, path)
            except Exception as error:
                self.failed(error, step.nodes, path, nullable=True)
            return
        for resolving, step, row, path in begun:
            task = asyncio.get_running_loop().create_task(resolving)
            self._tasks.append(task)
            self._waiting[task] = [_Place(step, row, path, task.result)]
        await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in [one for one in self._waiting if one.done()]:
            for place in self._waiting.pop(future):
                try:
                    future.result()
                    place.row[place.step.name] = place.step.arrived(self, place.take(), place.path)
                except Exception as error:
                    self.failed(error, place.step.nodes, place.path, nullable=True)

    async def _end(self) -> None:
        for resolving, *_ in self._begun:
            resolving.close()
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.gather(*left, return_exceptions=True)

    def _add(self, error: GraphQLError, path: Path) -> None:
        # Below a place that is null already nothing is told, as in graphql-core.
        above = path
        while above is not None:
            if above in self._nulled:
                return
            above = above[0]
        if None not in self._nulled:
            self._nulled.add(path)
            self._errors.append(error)


def _keys(path: Path) -> list[str | int]:
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.append(key)
    return keys[::-1]
