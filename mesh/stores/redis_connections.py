"""How connections to Redis come about: by TCP, TLS or socket, to whom the URL or the Sentinels name, and to a master alone."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost

from mesh.stores.redis_sentinels import Sentinels
from mesh.stores.redis_url import InvalidRedisUrl, RedisUrl, TlsPaths

CONNECT_TIMEOUT_S: Final = 1.0
"""Longest wait for a new connection, in seconds."""
MAX_CONNECTIONS: Final = 32
"""Connections of one process; further calls wait for a free one within their time limit."""


class NotAMaster(ConnectionLost):
    """The server copies another one and takes no writes; what it answers may be old."""


class _MasterOnly(AbstractConnection):
    """A connection that asks first whom it reached. A server that became a replica takes no writes, and its answers may be old."""

    refusal: type[ConnectionLost] = NotAMaster

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """See the driver."""
        await super().on_connect_check_health(check_health=check_health)
        await self.send_command("INFO", "replication", check_health=False)
        role = info_of(await self.read_response()).get("role", "")
        if role != "master":
            raise self.refusal(f"{self._host_error()} is no master but a {role or 'server that does not say'}")


class TcpConnection(_MasterOnly, Connection):
    """To one host."""


class TlsConnection(TcpConnection):
    """To one host, under TLS: who the server is has to be vouched for."""

    def __init__(self, *, contexts: TlsContexts, **options: Any) -> None:
        self._contexts = contexts
        super().__init__(**options)

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._contexts.newest()}


class SocketConnection(_MasterOnly, UnixDomainSocketConnection):
    """To a server on this machine."""

    async def on_connect(self) -> None:
        """The driver greets a socket twice; once is enough."""


class _Followed(Connection):
    """A connection to whom the Sentinels name at the moment; that they name a replica passes when their failover is over."""

    refusal = ConnectionLost

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        self._sentinels = sentinels
        super().__init__(host="nobody.yet", port=0, **options)

    async def _connect(self) -> None:
        self.host, self.port = await self._sentinels.master()
        connect: Callable[[], Awaitable[None]] = super()._connect
        await connect()


class FollowedTcpConnection(_Followed, TcpConnection):
    """To the master of the moment."""


class FollowedTlsConnection(_Followed, TlsConnection):
    """To the master of the moment, under TLS."""


class TlsContexts:
    """The TLS settings of a URL, read anew when a file changes."""

    def __init__(self, paths: TlsPaths, *, shown: str) -> None:
        """Raises InvalidRedisUrl when a file cannot be used."""
        self._paths = paths
        self._shown = shown
        self._files = tuple(path for path in (paths.ca, paths.certificate, paths.key) if path)
        self._seen = self._signature()
        self._context = self._read()

    def newest(self) -> ssl.SSLContext:
        """The settings as the files are now; as they last could be read when they cannot be now."""
        try:
            if (seen := self._signature()) != self._seen:
                self._context, self._seen = self._read(), seen
        except InvalidRedisUrl:
            # Files are replaced one after the other: the next connection finds them whole.
            pass
        return self._context

    def _signature(self) -> tuple[tuple[int, int], ...]:
        found = []
        for path in self._files:
            try:
                facts = Path(path).stat()
            except OSError as error:
                raise InvalidRedisUrl(f"CLIPMESH_REDIS={self._shown!r}: {path} cannot be read: {error.strerror}") from None
            found.append((facts.st_mtime_ns, facts.st_ino))
        return tuple(found)

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        try:
            if self._paths.ca:
                # Whoever names authorities trusts no others.
                context = ssl.create_default_context(cafile=self._paths.ca)
            if self._paths.certificate:
                context.load_cert_chain(self._paths.certificate, self._paths.key)
        except (OSError, ssl.SSLError) as error:
            where = " and ".join(self._files)
            raise InvalidRedisUrl(f"CLIPMESH_REDIS={self._shown!r}: {where} cannot be used: {error}") from None
        return context


def connection_pool(url: RedisUrl) -> BlockingConnectionPool:
    """The connections of one client; none is made yet. Raises InvalidRedisUrl when certificates cannot be used."""
    contexts = TlsContexts(url.tls, shown=url.shown) if url.tls else None
    options: dict[str, Any] = {"db": url.database, "username": url.username, "password": url.password}
    if url.socket:
        options |= {"connection_class": SocketConnection, "path": url.socket}
    elif url.master:
        sentinels = Sentinels(
            url.hosts, master=url.master, username=url.sentinel_username, password=url.sentinel_password, contexts=contexts, shown=url.shown
        )
        options |= {"connection_class": FollowedTlsConnection if contexts else FollowedTcpConnection, "sentinels": sentinels}
    else:
        ((host, port),) = url.hosts
        options |= {"connection_class": TlsConnection if contexts else TcpConnection, "host": host, "port": port}
    if contexts:
        options["contexts"] = contexts
    return BlockingConnectionPool(
        max_connections=MAX_CONNECTIONS,
        timeout=None,
        protocol=2,
        decode_responses=False,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
        **options,
    )


def info_of(answer: bytes | str) -> dict[str, str]:
    """The facts in an answer to INFO."""
    text = answer.decode() if isinstance(answer, bytes) else answer
    return {name: value for name, colon, value in (line.partition(":") for line in text.splitlines()) if colon}
