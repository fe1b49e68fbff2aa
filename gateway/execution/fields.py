"""What fields of the schema say of themselves beyond their type: which part of a message they show, which batch brings them.

Both executors read it: graphql-core through the resolvers made of it, compiled operations by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import strawberry

from gateway.batching import Batched
from gateway.context import Context, GatewayInfo
from gateway.loaders import Loaders

PART: Final = "clipmesh-part"
FETCH: Final = "clipmesh-fetch"
"""Keys of a field's metadata."""


class OfMessage:
    """A type made of a message of a service, whose fields are read when they are asked for: most pages show a few of many."""

    message: Any

    @classmethod
    def of(cls, message: Any) -> Self:
        """The type of a message."""
        made = cls.__new__(cls)
        made.message = message
        return made

    def __getattr__(self, name: str) -> Any:
        read = part_of(type(self), name)
        if read is None:
            raise AttributeError(f"{type(self).__name__} has no part {name}")
        return read(self.message)


def part(read: Callable[[Any], Any], *, description: str | None = None, directives: tuple[object, ...] = ()) -> Any:
    """A field of an OfMessage: what `read` makes of the message."""
    return strawberry.field(metadata={PART: read}, description=description, directives=list(directives))


def part_of(kind: type, name: str) -> Callable[[Any], Any] | None:
    """How a type reads a field off its message, None when it does not."""
    field = getattr(kind, "__dataclass_fields__", {}).get(name)
    read: Callable[[Any], Any] | None = field.metadata.get(PART) if field is not None else None
    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A field that one key brings, together with those of all other objects of the answer."""

    batch: Callable[[Loaders], Batched[Any, Any]]
    key: Callable[[Any], Any]
    """The key of an object; what is false brings null without a question."""
    settle: Callable[[Context, Any], Any]
    """What the field is, given what the batch brought; may raise a Fault."""

    async def resolve(self, source: Any, context: Context) -> Any:
        """What the field is for one object."""
        key = self.key(source)
        return self.settle(context, await self.batch(context.loaders).load(key)) if key else None


def fetched(fetch: Fetch, *, description: str, directives: tuple[object, ...] = ()) -> Any:
    """A field of any type that a batch brings."""

    async def resolve(self: Any, info: GatewayInfo):  # type: ignore[no-untyped-def]
        return await fetch.resolve(self, info.context)

    return strawberry.field(resolver=resolve, metadata={FETCH: fetch}, description=description, directives=list(directives))
