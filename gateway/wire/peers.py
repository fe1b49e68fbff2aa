"""Who is connected: how many, from where, and how long each may take; what the protocols of both kinds share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from gateway.rates import address_key
from gateway.wire.refusal import Refusal

READ_BYTES: Final = 16 * 1024
"""Read at once while heads or messages come: one read holds so many small ones, and reading them holds the loop."""
BODY_READ_BYTES: Final = 256 * 1024
"""Read at once of a large body; asyncio's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLimits:
    """What a connection may cost before an application looks at it."""

    connections: int = 8_000
    """Connections at once; more are refused with OVERLOADED."""
    per_address: int = 1_000
    """Connections of one address at once; many people may share it."""
    head_ms: int = 10_000
    """How long the head of a request may take, from its first byte; the first one's from the connection on. A handshake gets as long."""
    head_bytes: int = 32 * 1024
    """Longest head, and most bytes on the wire that bring no body: chunk extensions, trailers, empty lines."""
    head_fields: int = 100
    """Header fields of a request."""
    waiting: int = 500
    """Requests of one connection that wait behind the one that is answered."""
    rest_ms: int = 5_000
    """How long the rest of a body may come that nobody reads, after its answer."""
    rest_bytes: int = 32 * 1024 * 1024
    """How many bytes of such a rest are taken."""
    reader_ms: int = 20_000
    """What a reader gets for anything that waits for it, and an ended connection to take what is left."""
    reader_bytes_per_s: int = 8 * 1024
    """What a reader has to take on average beyond `reader_ms`."""
    frames_burst: int = 600
    """Frames that a socket may send at once."""
    frames_per_s: int = 100
    """Frames that a socket may send every second."""


class Cut:
    """Why connections are ended, as the metric names it."""

    CONNECTIONS: Final = "connections"
    ADDRESS: Final = "address"
    HEAD_SLOW: Final = "head_slow"
    HEAD_LARGE: Final = "head_large"
    HEAD_UNCLEAR: Final = "head_unclear"
    REST: Final = "rest"
    READER_SLOW: Final = "reader_slow"
    FLOOD: Final = "flood"
    HANDSHAKE: Final = "handshake"


REASONS: Final = frozenset(value for name, value in vars(Cut).items() if name.isupper())


def read_at_once(transport: asyncio.Transport, size: int) -> None:
    """How many bytes asyncio asks the kernel for at once; transports of others have no such thing and keep what they do."""
    with suppress(AttributeError):
        cast(Any, transport).max_size = size


class Door(Protocol):
    """Who decides, while there is too much to do, which requests are begun."""

    @property
    def open(self) -> bool:
        """True while everything is begun."""
        ...

    def waits_for_body(self, scope: Any) -> bool:
        """Whether the body says how urgent a request is."""
        ...

    def turns_away(self, method: str, path: str, fields: Mapping[bytes, bytes], address: str, body: bytes) -> Refusal | None:
        """What a request hears that is not begun now, None when it is; `fields` by their names in small letters, `body` as far as it is there."""
        ...

    def begun(self, scope: Any, app: ASGIApp) -> ASGIApp:
        """The application for a request that is begun now."""
        ...


class Peers:
    """Every connection that is open. `shared` tells of addresses behind which many clients stand: proxies of ours."""

    def __init__(self, *, limits: PeerLimits, shared: Callable[[str], bool], cut: Callable[[str], None]) -> None:
        self.limits = limits
        self.cut = cut
        self.door: Door | None = None
        self._shared = shared
        self._who: dict[asyncio.Transport, str] = {}
        self._of: Counter[str] = Counter()
        self._ending: dict[asyncio.Transport, float] = {}

    @property
    def open(self) -> int:
        """Connections that are open."""
        return len(self._who)

    def enter(self, transport: asyncio.Transport, address: str) -> str:
        """Count a connection; empty, or why there is no room for it. Even then it is known until it leaves."""
        who = "" if self._shared(address) else address_key(address)
        full = ""
        if len(self._who) >= self.limits.connections:
            full = Cut.CONNECTIONS
        elif who and self._of[who] >= self.limits.per_address:
            full = Cut.ADDRESS
        self._who[transport] = who
        if who:
            self._of[who] += 1
        read_at_once(transport, READ_BYTES)
        return full

    def leave(self, transport: asyncio.Transport) -> None:
        """The connection is gone; one that was never counted, or twice, changes nothing."""
        self._ending.pop(transport, None)
        who = self._who.pop(transport, "")
        if who:
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]

    def sweep(self, now_s: float) -> None:
        """Let go of connections that were ended long ago and whose peers do not take what is left for them."""
        for transport in [one for one in self._who if one.is_closing()]:
            if now_s - self._ending.setdefault(transport, now_s) >= self.limits.reader_ms / 1000:
                self.cut(Cut.READER_SLOW)
                transport.abort()


class Patience:
    """A timer of one connection; setting it again leaves the one that runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        self._loop = loop
        self._act = act
        self._timer: asyncio.TimerHandle | None = None

    def start(self, milliseconds: float) -> None:
        """Act after this time unless stopped before."""
        if self._timer is None:
            self._timer = self._loop.call_later(milliseconds / 1000, self._over)

    def stop(self) -> None:
        """Do not act."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        self._act()


class Reader:
    """Watches that a peer takes what waits for it, at the least average that is allowed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peers: Peers, transport: asyncio.Transport) -> None:
        self._peers = peers
        self._transport = transport
        self._patience = Patience(loop, self._too_slow)

    def waits(self) -> None:
        """More waits than may."""
        limits = self._peers.limits
        self._patience.start(limits.reader_ms + self._transport.get_write_buffer_size() / limits.reader_bytes_per_s * 1000)

    def took(self) -> None:
        """Little waits now, or nobody does."""
        self._patience.stop()

    def _too_slow(self) -> None:
        self._peers.cut(Cut.READER_SLOW)
        self._transport.abort()


class PeerState(ServerState):
    """What uvicorn shares between its connections, with the peers."""

    def __init__(self, peers: Peers) -> None:
        super().__init__()
        self.peers = peers
