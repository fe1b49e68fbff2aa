"""What the error classes of a module say, to be compared with the enum of its service."""

from __future__ import annotations

from types import ModuleType

from mesh.errors import MeshError


def raised_by(*modules: ModuleType) -> list[str]:
    """The reason of every error class that `modules` define, sorted; one that two classes share stands twice."""
    return sorted(
        value.reason
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, MeshError) and value.__module__ == module.__name__
    )
