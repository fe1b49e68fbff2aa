"""Asking Sentinels who the master is: all at once, in bounded time, the newest answer counts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as ConnectionLost

ASK_TIMEOUT_S: Final = 0.4
"""How long the Sentinels may take together, in seconds; who has not answered by then is not waited for."""


class Contexts(Protocol):
    """Where TLS settings come from."""

    def newest(self) -> ssl.SSLContext:
        """The settings for a new connection."""
        ...


class MasterUnknown(ConnectionLost):
    """No Sentinel answered in time, so nobody knows where the master is."""


class MasterNotWatched(ConnectionLost):
    """The Sentinels answer, and know no master of this name or not this client: no time mends that."""


class Sentinels:
    """The Sentinels of one master. Equal questions asked together are asked once."""

    def __init__(
        self,
        hosts: Sequence[tuple[str, int]],
        *,
        master: str,
        username: str | None = None,
        password: str | None = None,
        contexts: Contexts | None = None,
        shown: str = "",
    ) -> None:
        self._hosts = tuple(hosts)
        self._master = master
        self._credentials = {"username": username, "password": password}
        self._contexts = contexts
        self._shown = shown
        self._asking: asyncio.Task[tuple[str, int]] | None = None

    async def master(self) -> tuple[str, int]:
        """Host and port of the master. Raises MasterUnknown or MasterNotWatched."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
            # Whoever asked may be gone when the answer comes.
            self._asking.add_done_callback(lambda asking: asking.cancelled() or asking.exception())
        return await asyncio.shield(self._asking)

    async def _ask_all(self) -> tuple[str, int]:
        """A majority is enough: of its answers the newest configuration is the one that a failover agreed on."""
        waiting = {asyncio.create_task(self._ask(host, port)) for host, port in self._hosts}
        questions = tuple(waiting)
        answers: list[tuple[int, str, int]] = []
        refusals: list[str] = []
        failures: list[str] = []
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_TIMEOUT_S):
                    while waiting and len(answers) <= len(self._hosts) // 2:
                        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                        for question in done:
                            _sort(question, answers, refusals, failures)
        finally:
            for question in questions:
                question.cancel()
            await asyncio.gather(*questions, return_exceptions=True)
        if answers:
            _, host, port = max(answers)
            return host, port
        if refusals and not failures and not waiting:
            raise MasterNotWatched(f"the Sentinels of {self._shown} say: {refusals[0]}")
        raise MasterUnknown(f"no Sentinel of {self._shown} answers: {(failures or ['all are silent'])[0]}")

    async def _ask(self, host: str, port: int) -> tuple[int, str, int]:
        """(configuration epoch, host, port) as one Sentinel has it."""
        connection: Any = _connection(host, port, self._contexts, self._credentials)
        try:
            await connection.connect()
            await connection.send_command("SENTINEL", "MASTER", self._master)
            fields = [bytes(field).decode() for field in await connection.read_response()]
        finally:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)
        facts = dict(zip(fields[::2], fields[1::2], strict=True))
        return int(facts["config-epoch"]), facts["ip"], int(facts["port"])


def _sort(
    question: asyncio.Task[tuple[int, str, int]], answers: list[tuple[int, str, int]], refusals: list[str], failures: list[str]
) -> None:
    error = question.exception()
    if error is None:
        answers.append(question.result())
    elif isinstance(error, ResponseError | AuthenticationError | NoPermissionError):
        refusals.append(str(error))
    elif isinstance(error, RedisError | OSError | KeyError | ValueError):
        failures.append(str(error))
    else:
        raise error


def _connection(host: str, port: int, contexts: Contexts | None, credentials: dict[str, str | None]) -> Connection:
    options: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "socket_connect_timeout": ASK_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        **credentials,
    }
    if contexts is None:
        return Connection(host=host, port=port, **options)
    return _TlsToSentinel(host=host, port=port, contexts=contexts, **options)


class _TlsToSentinel(Connection):
    def __init__(self, *, contexts: Contexts, **options: Any) -> None:
        self._contexts = contexts
        super().__init__(**options)

    def _connection_arguments(self) -> dict[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._contexts.newest()}
