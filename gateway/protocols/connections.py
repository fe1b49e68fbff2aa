"""How many sockets and event streams are open at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class TooManyConnections(Exception):
    """No further one is taken now."""


class Connections:
    """Counts what stays open."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self.open = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one for the length of the block. Raises TooManyConnections."""
        if self.open >= self._most:
            raise TooManyConnections
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
