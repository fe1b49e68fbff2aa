"""Settings of the gateway."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mesh.app import ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings(ServiceSettings):
    """Read once from CLIPMESH_* at start."""

    redis: str
    """URL of Redis: rate limits, and the streams that are tailed."""
    blobs: str
    """URL of the objects that the media edge serves."""
    events: str = ""
    """URL of the event streams; empty means Redis Streams."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port to listen on."""
    origin: str = "http://127.0.0.1:8080"
    """Scheme, host and port as browsers write them; other origins may not act for a signed-in browser."""
    geo: str = "fixed:US"
    """Where the region comes from: `fixed:CC`, or `header:NAME` of a trusted proxy."""
    trusted_proxies: int = 0
    """How many proxies stand in front: the client's address is taken from that many hops of X-Forwarded-For."""
    operation_ms: int = 5_000
    """Budget of one GraphQL operation, in milliseconds; travels to every RPC."""

    def check(self) -> None:
        """ValueError for values that do not go together."""
        ServiceSettings.check(self)
        if not re.fullmatch(r"fixed:[A-Z]{2}|header:[A-Za-z0-9-]+", self.geo):
            raise ValueError(f"CLIPMESH_GEO={self.geo!r}: use fixed:CC or header:NAME")
        if not re.fullmatch(r"https?://[^/]+", self.origin):
            raise ValueError(f"CLIPMESH_ORIGIN={self.origin!r} is no origin: scheme://host[:port]")
        if self.geo.startswith("header:") and self.trusted_proxies < 1:
            raise ValueError("CLIPMESH_GEO=header:... needs CLIPMESH_TRUSTED_PROXIES of at least 1: anybody could set the header")
        if not 0 <= self.trusted_proxies <= 10:
            raise ValueError("CLIPMESH_TRUSTED_PROXIES lies between 0 and 10")
        if not 100 <= self.operation_ms <= 60_000:
            raise ValueError("CLIPMESH_OPERATION_MS lies between 100 and 60000")
