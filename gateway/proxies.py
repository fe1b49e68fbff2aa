"""Which proxies stand in front, and what is believed of what they say."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.requests import HTTPConnection

_MOST_ADDRESS = 64


class Proxies:
    """`hops` proxies, the last of which connects from one of `networks`; whoever else connects speaks for nobody but itself."""

    def __init__(self, *, hops: int, networks: Sequence[str]) -> None:
        self._hops = hops
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def is_behind(self, connection: HTTPConnection) -> bool:
        """True when a trusted proxy passed the request on, so that its headers may be believed."""
        return connection.client is not None and self.is_proxy(connection.client.host)

    def is_proxy(self, address: str) -> bool:
        """True for addresses that a trusted proxy connects from: many clients stand behind one of them."""
        if not self._hops:
            return False
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._networks)

    def address(self, connection: HTTPConnection) -> str:
        """The client's address: the socket's peer, or the hop that the configured number of proxies vouches for."""
        if not self.is_behind(connection):
            return peer(connection)
        hops = said(connection, "x-forwarded-for")
        return hops[-self._hops][:_MOST_ADDRESS] if len(hops) >= self._hops else peer(connection)


def peer(connection: HTTPConnection) -> str:
    """Whoever connected, client or proxy."""
    return connection.client.host if connection.client else "unknown"


def said(connection: HTTPConnection, header: str) -> list[str]:
    """The values of a header over all its lines, in their order: a client's own line comes before those of the proxies (RFC 9110 5.3)."""
    return [value.strip() for line in connection.headers.getlist(header) for value in line.split(",") if value.strip()]
