"""What can happen between the engine and the driver: requests and answers that get lost, a network that is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cassandra.query import BatchStatement

from mesh.stores.tables.cql.engine import CqlTables
from mesh.stores.tables.cql.session import MaybeWritten
from mesh.stores.tables.port import Tables, TablesUnavailable

Fits = Callable[[Any], bool]


def conditional(statement: Any) -> bool:
    """A write that is decided by the servers together, marks and all."""
    return (
        isinstance(statement, BatchStatement) and bool(statement.serial_consistency_level) and len(statement._statements_and_parameters) > 1
    )


def says(*words: str) -> Fits:
    """A statement whose text has all these words."""
    return lambda statement: (
        not isinstance(statement, BatchStatement) and all(word in statement.prepared_statement.query_string for word in words)
    )


class Wire:
    """Stands between the engine of a store and its driver."""

    def __init__(self, store: Tables) -> None:
        assert isinstance(store, CqlTables)
        self._send = store._session._send
        store._session._send = self._pass  # type: ignore[method-assign]
        self._rules: list[tuple[str, Fits]] = []
        self.lost: list[Any] = []
        """Writes that did not arrive."""
        self.sent: list[Any] = []

    def lose(self, fits: Fits) -> None:
        """The next request that fits does not arrive."""
        self._rules.append(("lose", fits))

    def mute(self, fits: Fits) -> None:
        """The next request that fits arrives, its answer does not."""
        self._rules.append(("mute", fits))

    def lose_and_cut(self, fits: Fits) -> None:
        """The next request that fits does not arrive, nor does anything after it."""
        self._rules.append(("lose and cut", fits))

    def mute_and_cut(self, fits: Fits) -> None:
        """The next request that fits is the last that arrives, and is not answered."""
        self._rules.append(("mute and cut", fits))

    def mend(self) -> None:
        """Everything arrives again."""
        self._rules.clear()

    async def deliver(self) -> list[Any]:
        """What was lost arrives after all; the answers."""
        answers = [await self._send(statement, "writes") for statement in self.lost]
        self.lost.clear()
        return answers

    async def _pass(self, statement: Any, profile: str) -> Any:
        self.sent.append(statement)
        rule = next((rule for rule in self._rules if rule[1](statement)), None)
        what = rule[0] if rule is not None else ""
        if rule is not None and what != "cut":
            self._rules.remove(rule)
        if what.endswith("and cut"):
            self._rules.insert(0, ("cut", lambda _: True))
        if what == "cut":
            raise TablesUnavailable("cut")
        if what.startswith("lose"):
            if profile == "writes":
                self.lost.append(statement)
            raise MaybeWritten("lost")
        answer = await self._send(statement, profile)
        if what.startswith("mute"):
            raise MaybeWritten("not answered")
        return answer
