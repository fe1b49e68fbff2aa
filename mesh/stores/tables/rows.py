"""Rows as scalar values: checked against their declaration on the way in, rebuilt on the way out, counted as a wide-column store counts."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any, cast

from mesh.stores.tables.port import InvalidUse
from mesh.stores.tables.schema import Column, ColumnKind, Schema

Scalar = int | float | str | bytes

_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_CELL_BYTES = 16
"""What a wide-column store spends on a cell besides its value: name, timestamp, flags."""

ZERO: dict[ColumnKind, Scalar] = {
    ColumnKind.INTEGER: 0,
    ColumnKind.REAL: 0.0,
    ColumnKind.TEXT: "",
    ColumnKind.BLOB: b"",
    ColumnKind.BOOLEAN: 0,
}
"""What stands in the columns of a row that is deleted."""


def encode_value(table: str, column: Column, value: Any) -> Scalar:
    """The scalar that is stored for `value`; InvalidUse names the column when it is of another type or out of range."""
    kind = column.kind
    if kind is ColumnKind.BOOLEAN:
        if isinstance(value, bool):
            return int(value)
    elif kind is ColumnKind.INTEGER:
        if isinstance(value, int) and not isinstance(value, bool) and _is_of_enum(column, value):
            if _MIN_INTEGER <= value <= _MAX_INTEGER:
                return int(value)
            raise InvalidUse(f"{table}.{column.name}: {value} does not fit into 64 bits")
    elif kind is ColumnKind.REAL:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isnan(value):
                return float(value)
            raise InvalidUse(f"{table}.{column.name}: NaN cannot be stored")
    elif kind is ColumnKind.TEXT:
        if isinstance(value, str) and _is_of_enum(column, value):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InvalidUse(f"{table}.{column.name}: the text is not valid Unicode") from error
            return str(value)
    elif isinstance(value, bytes):
        return value
    raise InvalidUse(f"{table}.{column.name}: {type(value).__name__} given, {column.python_type.__name__} declared")


def _encoder_of(table: str, column: Column) -> Callable[[Any], Scalar]:
    """`encode_value` for one column, which most values pass with a look at their type."""
    kind, plain = column.kind, not issubclass(column.python_type, enum.Enum)
    if kind is ColumnKind.INTEGER and plain:
        return lambda value: value if type(value) is int and _MIN_INTEGER <= value <= _MAX_INTEGER else encode_value(table, column, value)
    if kind is ColumnKind.TEXT and plain:
        # What is ASCII is valid Unicode.
        return lambda value: value if type(value) is str and value.isascii() else encode_value(table, column, value)
    if kind is ColumnKind.INTEGER:
        members: dict[Any, int] = {member: int(member) for member in cast(type[enum.IntEnum], column.python_type)}
        return lambda value: members[value] if type(value) is column.python_type else encode_value(table, column, value)
    if kind is ColumnKind.BLOB:
        return lambda value: value if type(value) is bytes else encode_value(table, column, value)
    if kind is ColumnKind.BOOLEAN:
        return lambda value: 1 if value is True else 0 if value is False else encode_value(table, column, value)
    return lambda value: encode_value(table, column, value)


def _is_of_enum(column: Column, value: Any) -> bool:
    return not issubclass(column.python_type, enum.Enum) or isinstance(value, column.python_type)


def counted_bytes(values: Sequence[Scalar]) -> int:
    """Bytes of a row in a batch: its values and what each cell costs."""
    total = _CELL_BYTES * len(values)
    for value in values:
        if isinstance(value, str):
            total += len(value.encode())
        elif isinstance(value, bytes):
            total += len(value)
        else:
            total += 8
    return total


def _encoded(encoders: Sequence[Callable[[Any], Scalar]], values: Sequence[Any]) -> tuple[Scalar, ...]:
    return tuple([encode(value) for encode, value in zip(encoders, values, strict=True)])


class RowCodec:
    """Turns rows of one table into scalars in column order, and back."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names = tuple(column.name for column in schema.columns)
        self.version_at = self.names.index("version")
        self.expires_at = self.names.index("expires_at_ms") if schema.expires else -1
        by_name = {column.name: column for column in schema.columns}
        self._encoders = tuple((column.name, _encoder_of(schema.name, column)) for column in schema.columns)
        self._key_encoders = tuple(_encoder_of(schema.name, by_name[name]) for name in schema.key)
        self._decoders: tuple[tuple[int, Callable[[Any], Any]], ...] = tuple(
            (at, column.python_type) for at, column in enumerate(schema.columns) if column.python_type not in {int, float, str, bytes}
        )

    def encode(self, row: Any) -> tuple[Scalar, ...]:
        """The values of a row in column order; InvalidUse when one is of another type than declared."""
        values = tuple([encode(getattr(row, name)) for name, encode in self._encoders])
        self._check_partition(values)
        return values

    def decode(self, values: Sequence[Any]) -> Any:
        """The row of values in column order."""
        if self._decoders:
            values = list(values)
            for at, decoder in self._decoders:
                values[at] = decoder(values[at])
        return self.schema.row_type(**dict(zip(self.names, values, strict=True)))

    def key(self, values: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """The full key out of values in column order: key columns come first in every table."""
        return tuple(values[: len(self._key_encoders)])

    def encode_key(self, key: Sequence[Any]) -> tuple[Scalar, ...]:
        """The scalars of a full key."""
        if len(key) != len(self._key_encoders):
            raise InvalidUse(f"{self.schema.name}: the key is ({', '.join(self.schema.key)}), {len(key)} values given")
        values = _encoded(self._key_encoders, key)
        self._check_partition(values)
        return values

    def encode_partition(self, partition: Sequence[Any]) -> tuple[Scalar, ...]:
        """The scalars of a partition key."""
        encoders = self._key_encoders[: len(self.schema.partition)]
        if len(partition) != len(encoders):
            raise InvalidUse(f"{self.schema.name}: the partition is ({', '.join(self.schema.partition)}), {len(partition)} values given")
        values = _encoded(encoders, partition)
        self._check_partition(values)
        return values

    def encode_bound(self, bound: Sequence[Any]) -> tuple[Scalar, ...]:
        """The scalars of a prefix of the clustering key."""
        encoders = self._key_encoders[len(self.schema.partition) :]
        if len(bound) > len(encoders):
            raise InvalidUse(f"{self.schema.name}: a bound has at most {len(encoders)} values, {len(bound)} given")
        return _encoded(encoders[: len(bound)], bound)

    def _check_partition(self, values: Sequence[Scalar]) -> None:
        # CQL has no empty partition key; the embedded engine refuses it too, so that a row can move.
        if len(self.schema.partition) == 1 and values[0] in {"", b""}:
            raise InvalidUse(f"{self.schema.name}.{self.schema.partition[0]}: a partition key cannot be empty")
