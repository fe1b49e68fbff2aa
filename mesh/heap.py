"""How processes that serve keep their memory: what start-up made is never walked through again, and what calls make is looked at in larger lots."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 5_000
"""Objects more than before at which the collector looks at the youngest. A call keeps dozens while it waits: with Python's own 700 a process under load
walks through all calls under way for every few of them. So many take 2 ms of the loop, once in some hundred calls."""


@contextmanager
def settled_heap() -> Iterator[None]:
    """Run a block whose process is done with starting: a full collection that walks through what is loaded would hold the loop for 60 to 90 ms."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
