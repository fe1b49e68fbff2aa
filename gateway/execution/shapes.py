"""The shape of an answer, with everything looked up once that graphql-core looks up for every field of every object.

A shape writes the answer that graphql-core writes: order, nulls and how far they spread, errors with their paths. What has to be waited for (a batch, a
resolver) stands in fields that may be null, so a failure that comes late nulls its own place and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from graphql import FieldNode, GraphQLField
from graphql.pyutils import is_iterable
from strawberry.types.arguments import StrawberryArgument

from gateway.execution.fields import Fetch
from gateway.execution.leaves import Leaf, refuse_null

if TYPE_CHECKING:
    from gateway.execution.runs import Run

Path = tuple[Any, str | int] | None
"""(path above, name or index); None at the top."""
Row = dict[str, Any]
"""An object of the answer."""


class Shape(Protocol):
    """How the value of a field becomes a part of the answer."""

    def complete(self, run: Run, value: Any, path: Path) -> Any:
        """The part; raises what makes it a field error."""
        ...


@dataclass(frozen=True, slots=True)
class LeafShape:
    """A scalar or an enum, inside a list or behind a resolver."""

    leaf: Leaf

    def complete(self, run: Run, value: Any, path: Path) -> Any:
        """See `Shape`."""
        return self.leaf(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What to do with a value that is no list or object where one belongs."""

    nullable: bool
    where: str

    def of(self, value: Any) -> Any:
        """Null where it may be; else raises."""
        if isinstance(value, Exception):
            raise value
        if value is not None:
            raise TypeError(f"{type(value).__name__} is nothing that {self.where} can be.")
        return None if self.nullable else refuse_null(self.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListShape:
    """A list."""

    items: Shape
    nullable_items: bool
    absence: Absence
    nodes: list[FieldNode]

    def complete(self, run: Run, value: Any, path: Path) -> list[Any] | None:
        """See `Shape`."""
        if type(value) is not list and not is_iterable(value):
            missing: list[Any] | None = self.absence.of(value)
            return missing
        complete, written = self.items.complete, []
        for index, item in enumerate(value):
            try:
                written.append(complete(run, item, (path, index)))
            except Exception as error:
                run.failed(error, self.nodes, (path, index), nullable=self.nullable_items)
                written.append(None)
        return written


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectShape:
    """An object of one type."""

    origin: type
    """Python's class of it."""
    of_message: bool
    """Its fields are read off its message."""
    steps: tuple[tuple[str, Callable[[Any], Any], Leaf | None, Step], ...]
    """(name, read, leaf) of each step beside it, since every object takes them."""
    absence: Absence

    def complete(self, run: Run, value: Any, path: Path) -> Row | None:
        """See `Shape`."""
        if type(value) is not self.origin and not isinstance(value, self.origin):
            missing: Row | None = self.absence.of(value)
            return missing
        return self.row(run, value, path)

    def row(self, run: Run, source: Any, path: Path) -> Row:
        """The object, with nulls where something is waited for."""
        row: Row = {}
        shown = source.message if self.of_message else source
        for name, read, leaf, step in self.steps:
            try:
                if leaf is not None:
                    row[name] = leaf(read(shown))
                elif step.below is not None:
                    row[name] = step.below.complete(run, read(shown), (path, name))
                else:
                    # Its place in the order of the answer.
                    row[name] = None
                    step.fill(run, source, row, (path, name))
            except Exception as error:
                run.failed(error, step.nodes, (path, name), nullable=step.nullable)
                row[name] = None
        return row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbstractShape:
    """An object of one of several types."""

    shapes: Mapping[type, ObjectShape]
    absence: Absence

    def complete(self, run: Run, value: Any, path: Path) -> Row | None:
        """See `Shape`."""
        shape = self.shapes.get(type(value))
        row: Row | None = shape.row(run, value, path) if shape is not None else self.absence.of(value)
        return row


def _nothing(source: Any) -> Any:
    return None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One field of an object whose value is at hand: a leaf, or something `below`."""

    name: str
    nodes: list[FieldNode]
    nullable: bool
    read: Callable[[Any], Any] = _nothing
    """Takes the object, or its message."""
    leaf: Leaf | None = None
    below: Shape | None = None

    def fill(self, run: Run, source: Any, row: Row, path: Path) -> None:
        """Write into the row what is no leaf and not at hand, at once or later."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fetched(Step):
    """A field that a batch brings."""

    fetch: Fetch
    shape: Shape

    def fill(self, run: Run, source: Any, row: Row, path: Path) -> None:
        """See `Step`."""
        key = self.fetch.key(source)
        if not key:
            return
        batch = self.fetch.batch(run.context.loaders)
        coming = batch.ask(key)
        if coming is None:
            row[self.name] = self.arrived(run, batch.take(key), path)
        else:
            run.wait(coming, self, row, path, lambda: batch.take(key))

    def arrived(self, run: Run, value: Any, path: Path) -> Any:
        """The part of the answer that a value of the batch is."""
        return self.shape.complete(run, self.fetch.settle(run.context, value), path)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resolved(Step):
    """A field with a resolver that is waited for."""

    resolver: Callable[..., Any]
    definition: GraphQLField
    arguments: Sequence[StrawberryArgument]
    shape: Shape

    def fill(self, run: Run, source: Any, row: Row, path: Path) -> None:
        """See `Step`."""
        run.begin(self.resolver(source, info=run.acting, **run.arguments(self)), self, row, path)

    def arrived(self, run: Run, value: Any, path: Path) -> Any:
        """The part of the answer that the resolver's value is."""
        return self.shape.complete(run, value, path)
