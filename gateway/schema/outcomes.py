"""Expected outcomes of mutations, and how faults of services reach a client."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any, TypeVar

import strawberry

from gateway.context import Context
from gateway.errors import fault_of, is_away, is_outcome
from gateway.execution.costs import ListSize
from gateway.loaders import Missing
from mesh.client import RpcFailed
from mesh.errors import MeshError

T = TypeVar("T")

_RETRYABLE = frozenset({"CONFLICT", "DAILY_LIMIT_EXCEEDED", "TOO_MANY_OPEN_UPLOADS", "TOO_MANY_ATTEMPTS"})


@strawberry.type(description="A fact of a user error, for programs.")
class ErrorDetail:
    name: str
    value: str


@strawberry.type(description="An expected outcome that is not success.")
class UserError:
    code: str = strawberry.field(description="A stable word, for example DURATION_TOO_SHORT.")
    message: str = strawberry.field(description="One sentence for a person.")
    field: list[str] | None = strawberry.field(description="Path of the input field that is wrong; null when it is none alone.")
    retryable: bool = strawberry.field(description="True when the same call may work later.")
    details: list[ErrorDetail] = strawberry.field(directives=[ListSize(assumed_size=5)])


def user_errors_field() -> Any:
    """The field that every mutation's payload ends with."""
    return strawberry.field(
        description="Expected outcomes that are not success; empty when it worked.", directives=[ListSize(assumed_size=3)]
    )


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def user_errors(error: MeshError) -> list[UserError]:
    """An outcome as user errors: one a violated field, else one alone."""
    violations = error.violations if isinstance(error, RpcFailed) else ()
    if violations:
        return [
            UserError(
                code=error.reason, message=text, field=["input", *(_camel(part) for part in path.split("."))], retryable=False, details=[]
            )
            for path, text in violations
        ]
    details = [ErrorDetail(name=_camel(name), value=str(value)) for name, value in sorted(error.facts.items())]
    retryable = error.reason in _RETRYABLE or error.retry_after_ms > 0
    return [UserError(code=error.reason, message=error.message, field=None, retryable=retryable, details=details)]


async def attempt(call: Awaitable[T]) -> tuple[T | None, list[UserError]]:
    """The answer of a mutation's call, or its user errors; faults are raised."""
    try:
        return await call, []
    except MeshError as error:
        if is_outcome(error):
            return None, user_errors(error)
        raise fault_of(error) from error


async def ask(call: Awaitable[T]) -> T:
    """The answer of a query's call; everything else is raised as a fault."""
    try:
        return await call
    except MeshError as error:
        raise fault_of(error) from error


async def ask_or_degrade(context: Context, service: str, call: Awaitable[T]) -> T | None:
    """Like `ask`, None when the service is away, which the answer then says under `degraded`."""
    try:
        return await call
    except MeshError as error:
        if is_away(error):
            context.degraded.add(service)
            return None
        raise fault_of(error) from error


async def ask_or_none(call: Awaitable[T]) -> T | None:
    """Like `ask`, None for what is not there."""
    try:
        return await call
    except MeshError as error:
        fault = fault_of(error)
        if (fault.extensions or {}).get("code") == "NOT_FOUND":
            return None
        raise fault from error


def present(context: Context, value: T | Missing | None) -> T | None:
    """What a loader gave: None when the service is away, which the answer then says under `degraded`; other failures are raised."""
    if isinstance(value, Missing):
        if not is_away(value.error):
            raise value.fault from value.error
        context.degraded.add(value.service)
        return None
    return value


def required(value: T | Missing | None) -> T | None:
    """What a loader gave, where a missing service is a fault of the whole field."""
    if isinstance(value, Missing):
        raise value.fault from value.error
    return value
