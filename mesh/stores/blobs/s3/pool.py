"""Connections to the store: every call within its line, no waiting that the deadline does not allow, nothing tried again behind our back."""

from __future__ import annotations

import ssl
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProtocolError
from urllib3.response import BaseHTTPResponse

from mesh.stores.blobs.s3.line import Line, current_line

CONNECT_S = 3.0
"""Longest wait for a connection; a store within reach answers in milliseconds."""
_KEPT = 64
"""Idle connections that are kept."""


class _Watched(HTTPConnection):
    """A connection that its line knows."""

    line: Line | None = None
    _asked = 0

    def connect(self) -> None:
        super().connect()
        # From here on bodies are sent, which may take longer than connecting.
        self.sock.settimeout(current_line().left_s())

    def request(self, *args: Any, **options: Any) -> None:
        current_line().hold(self, reused=self._asked > 0)
        self._asked += 1
        super().request(*args, **options)

    def close(self) -> None:
        super().close()
        self._asked = 0


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS."""


class _Plain(HTTPConnectionPool):
    ConnectionCls = _Watched


class _Tls(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class Pool(urllib3.PoolManager):
    """What the client sends its requests through."""

    def __init__(self, *, ca: str) -> None:
        """`ca` is the file of the authorities that are trusted; empty means those of the system. Raises OSError for one that cannot be read."""
        context = ssl.create_default_context(cafile=ca or None)
        super().__init__(maxsize=_KEPT, block=False, ssl_context=context)
        self.pool_classes_by_scheme = {"http": _Plain, "https": _Tls}
        self._of_host: dict[str, HTTPConnectionPool] = {}

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> BaseHTTPResponse:  # type: ignore[override]
        """One request within the line of this thread; `redirect` is not followed, as signatures are for one host."""
        line = current_line()
        try:
            return self._once(line, method, url, options)
        except ProtocolError:
            if not line.reused:
                raise
        # The store let go of an idle connection at the moment in which we used it. All that we ask may be asked twice.
        return self._once(line, method, url, options)

    def _once(self, line: Line, method: str, url: str, options: dict[str, Any]) -> BaseHTTPResponse:
        left_s = line.left_s()
        timeout = urllib3.Timeout(connect=min(left_s, CONNECT_S), read=left_s)
        # Everything goes to one host: what the manager does to find the pool of any is done once.
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        pool = self._of_host.get(host)
        if pool is None:
            pool = self._of_host[host] = self.connection_from_url(f"{scheme}://{host}")
        return pool.urlopen(method, slash + path, redirect=False, assert_same_host=False, timeout=timeout, retries=False, **options)


def hold_answer(line: Line, answer: BaseHTTPResponse) -> None:
    """Go on reading an answer that another line opened, or this one before it asked something else."""
    connection = getattr(answer, "_connection", None)
    if isinstance(connection, _Watched):
        line.hold(connection, reused=True)
