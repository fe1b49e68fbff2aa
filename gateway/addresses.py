"""Names for networks: the same all day, and nobody without the key leads them back to an address."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from functools import lru_cache

from mesh.clock import Clock

DAY_MS = 86_400_000
_PSEUDONYM_BYTES = 16


class AddressPseudonyms:
    """Makes the address pseudonyms of viewer contexts."""

    def __init__(self, *, key: bytes, clock: Clock) -> None:
        # Under a key of its own: a tag of a session cookie never equals a pseudonym.
        self._key = hmac.digest(key, b"address pseudonym", hashlib.sha256)
        self._clock = clock

    def of(self, address: str) -> str:
        """The name of an address's network on this day (UTC); all that is no IP address shares one name."""
        said = f"{self._clock.now_ms() // DAY_MS}/{_network(address)}"
        return hmac.digest(self._key, said.encode(), hashlib.sha256)[:_PSEUDONYM_BYTES].hex()


@lru_cache(maxsize=4_096)
def _network(address: str) -> str:
    """An IPv4 address; the /64 of an IPv6 address, since its owner may use every address in it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        # Listening on both families shows IPv4 clients as ::ffff:a.b.c.d.
        return str(parsed.ipv4_mapped) if parsed.ipv4_mapped is not None else f"6/{int(parsed) >> 64:x}"
    return str(parsed)
