"""Settings of the gateway."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from gateway.execution.limits import OperationLimits
from gateway.rates import Rate
from gateway.wire.peers import PeerLimits
from mesh.app import ServiceSettings

_ORIGIN = re.compile(r"https?://[^/\s]+")
PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Loopback and private networks (RFC 1918, RFC 4193)."""
_AT_LEAST_ONE = (
    *("body_bytes", "graphql_document_bytes", "graphql_tokens", "graphql_depth", "graphql_fields", "graphql_root_fields", "graphql_cost"),
    *("connections", "connections_per_address", "head_ms", "reader_ms"),
    *("graphql_batch", "socket_init_ms", "socket_operations", "socket_keepalive_ms", "socket_stall_ms", "sockets", "sockets_per_address"),
    *("rate_user_burst", "rate_user_per_s", "rate_address_burst", "rate_address_per_s", "rate_sign_in_burst", "rate_sign_in_per_minute"),
    *("rate_documents_burst", "rate_documents_per_s", "graphql_persisted_local", "graphql_persisted_ms"),
)


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
    https_cert: str = ""
    """Path of the certificate chain that browsers are shown, PEM; renewed files are taken without a restart. Empty for plain HTTP."""
    https_key: str = ""
    """Path of its private key; nobody else may be able to read it."""
    origin: str = "http://127.0.0.1:8080"
    """Scheme, host and port as browsers write them; other origins may not act for a signed-in browser."""
    cors_origins: tuple[str, ...] = ()
    """Other origins whose pages may ask the GraphQL endpoint, without cookies; empty means none."""
    geo: str = "fixed:US"
    """Where the region comes from: `fixed:CC`, `header:NAME` of a trusted proxy, or `mmdb:PATH`, a database of countries."""
    trusted_proxies: int = 0
    """How many proxies stand in front: the client's address is taken from that many hops of X-Forwarded-For."""
    proxy_networks: tuple[str, ...] = PRIVATE_NETWORKS
    """Networks that the last proxy connects from, as a.b.c.d/n; headers of all other peers are not believed."""
    operation_ms: int = 5_000
    """Budget of one GraphQL operation, in milliseconds; travels to every RPC."""

    body_bytes: int = 262_144
    """Largest body of a GraphQL request and largest message of a socket."""
    graphql_document_bytes: int = 32_768
    """Longest document, in characters."""
    graphql_tokens: int = 2_000
    """Lexical tokens of a document."""
    graphql_depth: int = 16
    """How deep selections may nest; GraphiQL's own question is 15 deep."""
    graphql_fields: int = 400
    """Fields of a document after fragments are merged in."""
    graphql_repeats: int = 100
    """How often fields may be asked again beside themselves."""
    graphql_aliases: int = 40
    """Aliased fields of a document."""
    graphql_directives: int = 40
    """Directives of a document."""
    graphql_root_fields: int = 20
    """Fields at the top of an operation."""
    graphql_fragments: int = 40
    """Fragments of a document."""
    graphql_cost: int = 10_000
    """Price of an operation, with its variables; a page of 20 with every field costs about 1,100."""
    graphql_batch: int = 10
    """Operations of one HTTP request; 1 refuses batches."""
    graphql_cache_characters: int = 500_000
    """Total length of the documents that are remembered as valid; parsed they take about 100 bytes for each."""
    graphql_defers: int = 10
    """Deferred fragments of a document; each costs for every object that it belongs to."""
    graphql_persisted_characters: int = 16_000_000
    """What Redis keeps of documents that clients ask by their hash, in characters, the least recently used leave first; 0 keeps none."""
    graphql_persisted_local: int = 1_000_000
    """What this process remembers of them, in characters."""
    graphql_persisted_ms: int = 604_800_000
    """How long a document is kept that nobody asks any more, in milliseconds; a week."""
    graphql_allowed: tuple[str, ...] = ()
    """The only documents that may be asked: `pages` for those of our own pages, files and folders of documents and manifests. Empty allows all."""
    graphql_compiled: bool = True
    """Compile queries to plans; false lets graphql-core run them all, with the same answers for about twice the CPU."""

    connections: int = 8_000
    """TCP connections at once, idle ones too; more are refused. The process needs as many open files, and some more."""
    connections_per_address: int = 1_000
    """TCP connections of one address at once; those of trusted proxies are not counted."""
    head_ms: int = 10_000
    """How long the head of a request may take to arrive, in milliseconds."""
    reader_ms: int = 20_000
    """What a client gets to take what waits for it, in milliseconds, and a second more for every 8 KiB."""

    sockets: int = 2_000
    """Sockets and event streams at once; more are refused."""
    sockets_per_address: int = 200
    """Sockets and event streams of one address at once; many people may share it."""
    socket_init_ms: int = 5_000
    """How long a socket may wait with connection_init, in milliseconds."""
    socket_operations: int = 20
    """Operations at once of one socket."""
    socket_keepalive_ms: int = 15_000
    """Time between pings, in milliseconds; the token is looked at again with each."""
    socket_stall_ms: int = 10_000
    """How long a reader may take for one message before the socket is dropped, in milliseconds."""

    rate_user_burst: int = 30_000
    """Cost that one signed-in person may ask at once."""
    rate_user_per_s: int = 3_000
    """Cost that one signed-in person may ask every second."""
    rate_address_burst: int = 300_000
    """Cost that one address may ask at once; many people may share it."""
    rate_address_per_s: int = 30_000
    """Cost that one address may ask every second."""
    rate_documents_burst: int = 300_000
    """Characters of documents that are kept for one address at once."""
    rate_documents_per_s: int = 300
    """Characters of documents that are kept for one address every second; what comes beyond that runs and is not kept."""
    rate_sign_in_burst: int = 120
    """Sign-ups and sign-ins of one address at once, tokens included."""
    rate_sign_in_per_minute: int = 60
    """Sign-ups and sign-ins of one address every minute."""

    @property
    def operation_limits(self) -> OperationLimits:
        """Bounds of one document."""
        return OperationLimits(
            document_bytes=self.graphql_document_bytes,
            tokens=self.graphql_tokens,
            depth=self.graphql_depth,
            fields=self.graphql_fields,
            repeats=self.graphql_repeats,
            aliases=self.graphql_aliases,
            directives=self.graphql_directives,
            root_fields=self.graphql_root_fields,
            fragments=self.graphql_fragments,
            defers=self.graphql_defers,
            cost=self.graphql_cost,
        )

    @property
    def peer_limits(self) -> PeerLimits:
        """Bounds of one connection."""
        return PeerLimits(
            connections=self.connections, per_address=self.connections_per_address, head_ms=self.head_ms, reader_ms=self.reader_ms
        )

    @property
    def user_rate(self) -> Rate:
        """Bucket of a signed-in person."""
        return Rate(name="user", burst=self.rate_user_burst, per_s=self.rate_user_per_s)

    @property
    def address_rate(self) -> Rate:
        """Bucket of an address."""
        return Rate(name="address", burst=self.rate_address_burst, per_s=self.rate_address_per_s)

    @property
    def documents_rate(self) -> Rate:
        """Bucket of an address, in characters, for documents that are kept."""
        return Rate(name="documents", burst=self.rate_documents_burst, per_s=self.rate_documents_per_s)

    @property
    def sign_in_rate(self) -> Rate:
        """Stricter bucket of an address, for what costs a password hash or makes an account."""
        return Rate(name="signin", burst=self.rate_sign_in_burst, per_s=self.rate_sign_in_per_minute / 60)

    def check(self) -> None:
        """ValueError for values that do not go together."""
        ServiceSettings.check(self)
        if not re.fullmatch(r"fixed:[A-Z]{2}|header:[A-Za-z0-9-]+|mmdb:.+", self.geo):
            raise ValueError(f"CLIPMESH_GEO={self.geo!r}: use fixed:CC, header:NAME or mmdb:PATH")
        if bool(self.https_cert) != bool(self.https_key):
            raise ValueError("CLIPMESH_HTTPS_CERT and CLIPMESH_HTTPS_KEY go together")
        if self.https_cert and not self.origin.startswith("https:"):
            raise ValueError(f"CLIPMESH_ORIGIN={self.origin!r} is not what browsers write under CLIPMESH_HTTPS_CERT: use https://...")
        if not _ORIGIN.fullmatch(self.origin):
            raise ValueError(f"CLIPMESH_ORIGIN={self.origin!r} is no origin: scheme://host[:port]")
        if wrong := [origin for origin in self.cors_origins if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(f"CLIPMESH_CORS_ORIGINS: {wrong[0]!r} is no origin: scheme://host[:port]")
        if self.geo.startswith("header:") and self.trusted_proxies < 1:
            raise ValueError("CLIPMESH_GEO=header:... needs CLIPMESH_TRUSTED_PROXIES of at least 1: anybody could set the header")
        if not 0 <= self.trusted_proxies <= 10:
            raise ValueError("CLIPMESH_TRUSTED_PROXIES lies between 0 and 10")
        for network in self.proxy_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"CLIPMESH_PROXY_NETWORKS={network!r}: {error}") from error
        if not 100 <= self.operation_ms <= 60_000:
            raise ValueError("CLIPMESH_OPERATION_MS lies between 100 and 60000")
        if self.graphql_persisted_characters < 0 or self.graphql_defers < 0:
            raise ValueError("CLIPMESH_GRAPHQL_PERSISTED_CHARACTERS and CLIPMESH_GRAPHQL_DEFERS cannot be negative")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"CLIPMESH_{name.upper()} has to be at least 1")
