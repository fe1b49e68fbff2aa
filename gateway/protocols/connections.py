"""How many sockets and event streams are open at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.rates import address_key


class TooManyConnections(Exception):
    """No further one is taken now."""


class Connections:
    """Counts what stays open, in all and of each address."""

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._of: Counter[str] = Counter()
        self.open = 0

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Count one of this address for the length of the block. Raises TooManyConnections."""
        who = address_key(address)
        if self.open >= self._most or self._of[who] >= self._most_per_address:
            raise TooManyConnections
        self.open += 1
        self._of[who] += 1
        try:
            yield
        finally:
            self.open -= 1
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]
