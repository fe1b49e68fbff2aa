"""Fields that a batch brings: what a missing service means for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.batching import Batched
from gateway.context import Context
from gateway.execution.fields import Fetch, fetched
from gateway.loaders import Loaders
from gateway.schema.outcomes import present


def batched(
    batch: Callable[[Loaders], Batched[Any, Any]],
    *,
    key: Callable[[Any], Any],
    shown: Callable[[Any], Any],
    description: str,
    directives: tuple[object, ...] = (),
) -> Any:
    """A field that a batch brings for the `key` of its object: null where the service is away or has nothing, else what `shown` makes of it."""

    def settle(context: Context, value: Any) -> Any:
        found = present(context, value)
        return None if found is None else shown(found)

    return fetched(Fetch(batch=batch, key=key, settle=settle), description=description, directives=directives)
