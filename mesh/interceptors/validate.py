"""Checks the field rules that stand in the protos; every violation is listed with the path of its field."""

from __future__ import annotations

from typing import Any

import protovalidate

from mesh.errors import InvalidArgument
from mesh.interceptors.call import Call, Handler, Method


class Validate:
    """Refuses requests that break a rule of their fields."""

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler that sees only valid requests."""
        # Compiles the rules of the type now, so that a broken rule stops the start and the first call is not slow.
        protovalidate.collect_violations(method.request_type())

        async def validated(request: Any, call: Call) -> Any:
            violations = protovalidate.collect_violations(request)
            if violations:
                raise InvalidArgument(
                    "the request breaks rules of its fields",
                    violations=tuple((path_of(violation), violation.proto.message or violation.proto.rule_id) for violation in violations),
                )
            return await inner(request, call)

        return validated


def path_of(violation: protovalidate.Violation) -> str:
    """The violated field as a path, for example `parts[2].size_bytes`; empty when the rule speaks of the whole message."""
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            value = element.subscript.value
            path += f"[{value}]" if isinstance(value, int) else f'["{value}"]'
    return path
