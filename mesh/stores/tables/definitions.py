"""A declared table as a store remembers it, and what may differ between what is stored and what the code declares."""

from __future__ import annotations

from typing import Any

from mesh.stores.tables.errors import IncompatibleTable
from mesh.stores.tables.schema import Schema

LATER = "; start the release that wrote it, or a later one"
"""How a store that this code does not fit is mended."""


def definition(schema: Schema) -> dict[str, Any]:
    """What a store keeps of a declaration, as JSON has it."""
    return {
        "guard": schema.guard.value,
        "scope": schema.scope.value,
        "partition": list(schema.partition),
        "clustering": [[name, descending] for name, descending in schema.clustering],
        "columns": {column.name: column.kind.value for column in schema.columns},
    }


def compare(name: str, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    """IncompatibleTable when the declaration differs from what is stored in more than new columns."""
    for what in ("guard", "scope", "partition", "clustering"):
        if stored[what] != wanted[what]:
            raise IncompatibleTable(
                f"CLIPMESH_TABLES: table {name}: its {what} is {stored[what]} in the store and {wanted[what]} in the code{LATER}"
            )
    for column, kind in stored["columns"].items():
        if column not in wanted["columns"]:
            raise IncompatibleTable(f"CLIPMESH_TABLES: table {name}: column {column} is in the store and not in the code{LATER}")
        if wanted["columns"][column] != kind:
            raise IncompatibleTable(
                f"CLIPMESH_TABLES: table {name}: column {column} is {kind} in the store and {wanted['columns'][column]} in the code{LATER}"
            )
