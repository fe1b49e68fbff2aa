"""Settings: one frozen dataclass per process, read once from the environment, refused at start when wrong."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

S = TypeVar("S")


class InvalidSetting(ValueError):
    """A setting is missing or cannot be read; the text names the variable and how to mend it."""


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def _parse(variable: str, text: str, kind: Any) -> Any:
    try:
        if kind is bool:
            lowered = text.strip().lower()
            if lowered not in _TRUE | _FALSE:
                raise ValueError("use 1 or 0")
            return lowered in _TRUE
        if kind in {int, float, str}:
            return kind(text)
        if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
            return kind(text)
        if kind == tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())
    except ValueError as error:
        choices = f"; one of {', '.join(kind)}" if isinstance(kind, type) and issubclass(kind, enum.Enum) else ""
        raise InvalidSetting(f"{variable}={text!r} cannot be read as {getattr(kind, '__name__', kind)}: {error}{choices}") from error
    raise InvalidSetting(f"{variable}: settings of type {kind!r} are not supported")


def read(settings_type: type[S], environment: Mapping[str, str] | None = None) -> S:
    """Build a frozen dataclass from `CLIPMESH_<FIELD>` variables.

    A field takes its variable in upper case: `tables` from CLIPMESH_TABLES. A field without a default must be set. A `check()` method of the
    class may raise ValueError for values that do not go together.
    """
    source = os.environ if environment is None else environment
    hints = get_type_hints(settings_type)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings_type):  # type: ignore[arg-type]
        variable = f"CLIPMESH_{field.name.upper()}"
        if variable in source:
            values[field.name] = _parse(variable, source[variable], hints[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InvalidSetting(f"{variable} is not set; `clipmesh up` sets it, a deployment has to")
    settings = settings_type(**values)
    check = getattr(settings, "check", None)
    if check is not None:
        try:
            check()
        except ValueError as error:
            raise InvalidSetting(str(error)) from error
    return settings
