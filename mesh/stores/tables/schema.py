"""How a table is declared: a frozen dataclass whose annotations name its keys, each table guarded or plain."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
R = TypeVar("R")


class KeyRole(enum.Enum):
    """What a key column does."""

    PARTITION = "partition"
    ASCENDING = "ascending"
    DESCENDING = "descending"


Partition = Annotated[T, KeyRole.PARTITION]
"""The column is part of the partition key: rows of one partition live together."""
Clustering = Annotated[T, KeyRole.ASCENDING]
"""The column orders rows inside a partition, smallest first."""
ClusteringDescending = Annotated[T, KeyRole.DESCENDING]
"""The column orders rows inside a partition, largest first."""


class Guard(enum.Enum):
    """How writes of a table meet one another."""

    GUARDED = "guarded"
    """Every write is conditional on the version the writer has read."""
    PLAIN = "plain"
    """A write replaces the whole row; the larger version wins, whatever order they arrive in."""


class Scope(enum.Enum):
    """Where rows live when there are several regions."""

    GLOBAL = "global"
    HOME_REGION = "home_region"


class ColumnKind(enum.Enum):
    """The scalar types a column may have; nothing else is taken by either engine."""

    INTEGER = "integer"
    """int or IntEnum, 64 bits signed."""
    REAL = "real"
    TEXT = "text"
    """str or StrEnum."""
    BLOB = "blob"
    BOOLEAN = "boolean"


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    kind: ColumnKind
    python_type: type
    default: Any
    """Value of rows written before the column existed; key columns have none (MISSING)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Schema:
    """A table as both engines see it."""

    name: str
    guard: Guard
    scope: Scope
    columns: tuple[Column, ...]
    partition: tuple[str, ...]
    clustering: tuple[tuple[str, bool], ...]
    """(column, descending) in order."""
    row_type: type

    @property
    def key(self) -> tuple[str, ...]:
        """All key columns in order: partition, then clustering."""
        return self.partition + tuple(name for name, _ in self.clustering)

    @property
    def expires(self) -> bool:
        """True when rows carry `expires_at_ms`: past that moment no read returns them; 0 means never."""
        return any(column.name == "expires_at_ms" for column in self.columns)


class InvalidTable(TypeError):
    """The declaration breaks a rule of the port."""


_SCALARS: dict[type, ColumnKind] = {
    bool: ColumnKind.BOOLEAN,
    int: ColumnKind.INTEGER,
    float: ColumnKind.REAL,
    str: ColumnKind.TEXT,
    bytes: ColumnKind.BLOB,
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def _kind_of(table: str, name: str, annotation: Any) -> ColumnKind:
    if isinstance(annotation, type):
        if issubclass(annotation, enum.IntEnum):
            return ColumnKind.INTEGER
        if issubclass(annotation, enum.StrEnum):
            return ColumnKind.TEXT
        if annotation in _SCALARS:
            return _SCALARS[annotation]
    raise InvalidTable(f"{table}.{name}: {annotation!r} is no column type; use int, float, bool, str, bytes, IntEnum or StrEnum")


def table(name: str, *, guard: Guard, scope: Scope = Scope.HOME_REGION) -> Callable[[type[R]], type[R]]:
    """Declare a frozen dataclass as a table.

    Partition columns come first, then clustering columns, then values, which all need defaults. `version: int = 0` is required: the engine
    raises it on guarded tables, the writer brings it on plain ones (a larger version wins). `expires_at_ms: int = 0` is optional.
    """

    def declare(row_type: type[R]) -> type[R]:
        row_type.__table__ = _schema(name, guard, scope, row_type)  # type: ignore[attr-defined]
        return row_type

    return declare


def _schema(name: str, guard: Guard, scope: Scope, row_type: type) -> Schema:
    if not _NAME.fullmatch(name):
        raise InvalidTable(f"{name!r} is no table name")
    if not dataclasses.is_dataclass(row_type) or not row_type.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise InvalidTable(f"{name}: a row is a frozen dataclass")
    hints = get_type_hints(row_type, include_extras=True)
    partition: list[str] = []
    clustering: list[tuple[str, bool]] = []
    columns: list[Column] = []
    for field in dataclasses.fields(row_type):
        annotation = hints[field.name]
        role: KeyRole | None = None
        if get_origin(annotation) is Annotated:
            annotation, *marks = get_args(annotation)
            role = next((mark for mark in marks if isinstance(mark, KeyRole)), None)
        kind = _kind_of(name, field.name, annotation)
        if role is None:
            if field.default is dataclasses.MISSING:
                raise InvalidTable(f"{name}.{field.name}: value columns need a default, so that old rows can be read")
        elif len(columns) != len(partition) + len(clustering):
            raise InvalidTable(f"{name}.{field.name}: key columns come before value columns")
        elif role is KeyRole.PARTITION:
            if clustering:
                raise InvalidTable(f"{name}.{field.name}: partition columns come before clustering columns")
            partition.append(field.name)
        else:
            clustering.append((field.name, role is KeyRole.DESCENDING))
        columns.append(Column(field.name, kind, annotation, field.default))
    if not partition:
        raise InvalidTable(f"{name}: a table needs a partition key")
    if not any(column.name == "version" and column.kind is ColumnKind.INTEGER for column in columns):
        raise InvalidTable(f"{name}: a row needs `version: int = 0`")
    return Schema(name, guard, scope, tuple(columns), tuple(partition), tuple(clustering), row_type)


def schema_of(row_type: type) -> Schema:
    """The declared schema of a row type; InvalidTable when it is none."""
    schema = getattr(row_type, "__table__", None)
    if not isinstance(schema, Schema) or schema.row_type is not row_type:
        raise InvalidTable(f"{row_type.__name__} is not declared with @table")
    return schema


def key_of(row: Any) -> tuple[Any, ...]:
    """The full key of a row: partition columns, then clustering columns."""
    return tuple(getattr(row, name) for name in schema_of(type(row)).key)
