"""The settings that every process has, whatever it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from mesh.regions import region_of

SHORTEST_LEASE_MS: Final = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What every process reads; a service's settings inherit from it. An inheriting `check` calls `ServiceSettings.check(self)`."""

    secrets: str
    """Path of the secrets file of this process alone."""
    node: str = ""
    """Name of this process among its service's replicas, the same after a restart: it then takes over at once what its former self held.
    Empty: the process id, and what a killed process held waits until its leases end."""
    region: str = ""
    """The region whose people this process serves, by its name in `regions`. Empty: there is one."""
    regions: str = ""
    """All regions, the same text in every process: `eu:1=clipmesh_eu us:2=clipmesh_us`, name, number in ids and the keyspace or folder where the rows of
    its people are. Set before the first start, since rows do not move by themselves. Empty: there is one."""
    listen: str = ""
    """Where to listen, `unix:PATH` or `HOST:PORT`; empty takes the address under which the others look for this service."""
    clock: str = ""
    """Empty for the machine's clock; `file:PATH` for one that tests move."""
    testing: bool = False
    """Allows what only tests may do: moved clocks and failpoints."""
    watch_loop: bool = False
    """Measures how long each callback holds the event loop, on asyncio's own loop and slower; goes with testing alone."""
    development: bool = False
    """Adds gRPC reflection and the words of exceptions to the logs."""
    metrics: str = ""
    """Where GET /metrics answers, `unix:PATH` or `HOST:PORT`; empty for nowhere."""
    traces: str = ""
    """Where spans go: `file:PATH` or `otlp`; empty for nowhere unless the OTEL variables name an endpoint."""
    tls_cert: str = ""
    """Path of this process's certificate chain in PEM, made for the DNS name `<service>.clipmesh`. Set together with the two below: then ports ask for
    certificates and connections to ports show them; unix sockets stay as they are. Empty for none."""
    tls_key: str = ""
    """Path of the private key of the certificate; nobody else may be able to read it."""
    tls_ca: str = ""
    """Path of the certificates of the authorities that are believed, one or several."""
    log_level: str = "INFO"
    """DEBUG also shows successful calls."""
    concurrency_limit: int = 256
    """Calls worked on at once."""
    queue_limit: int = 512
    """Calls that may wait for a place, the most urgent first."""
    relay_lease_ms: int = 30_000
    """How long a shard of the outbox stays with a relay that does not write, in milliseconds."""
    partition_lease_ms: int = 10_000
    """How long a partition of the stream stays with a consumer that does not speak up, in milliseconds."""
    partition_heartbeat_ms: int = 3_000
    """How often a consumer speaks up, in milliseconds; at most a third of the lease."""
    node_lease_ms: int = 60_000
    """How long a node number stays with a process that does not renew it, in milliseconds; a crashed process leaves its number unused for that long."""
    drain_wait_ms: int = 500
    """How long a stopping server says NOT_SERVING before it takes no more calls, in milliseconds."""
    stop_grace_ms: int = 10_000
    """How long calls under way may take to end, in milliseconds."""

    def check(self) -> None:
        """ValueError for a number out of range, or settings that do not go together."""
        if self.watch_loop and not self.testing:
            raise ValueError("CLIPMESH_WATCH_LOOP goes with CLIPMESH_TESTING alone: it costs every callback time")
        for name in ("concurrency_limit", "stop_grace_ms"):
            if getattr(self, name) < 1:
                raise ValueError(f"CLIPMESH_{name.upper()} has to be at least 1")
        for name in ("queue_limit", "drain_wait_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"CLIPMESH_{name.upper()} cannot be negative")
        for name in ("relay_lease_ms", "node_lease_ms"):
            if getattr(self, name) < SHORTEST_LEASE_MS:
                raise ValueError(
                    f"CLIPMESH_{name.upper()} has to be at least {SHORTEST_LEASE_MS}: two clocks differ, and a renewal takes time"
                )
        if not 0 < self.partition_heartbeat_ms * 3 <= self.partition_lease_ms:
            raise ValueError("CLIPMESH_PARTITION_HEARTBEAT_MS has to be above 0 and at most a third of CLIPMESH_PARTITION_LEASE_MS")
        region_of(self.region, self.regions)
        tls = ("tls_cert", "tls_key", "tls_ca")
        unset = [f"CLIPMESH_{name.upper()}" for name in tls if not getattr(self, name)]
        if 0 < len(unset) < len(tls):
            raise ValueError(f"{' and '.join(unset)} not set: CLIPMESH_TLS_CERT, CLIPMESH_TLS_KEY and CLIPMESH_TLS_CA go together")
        if self.log_level not in logging.getLevelNamesMapping():
            raise ValueError(f"CLIPMESH_LOG_LEVEL={self.log_level!r} is no level: DEBUG, INFO, WARNING or ERROR")
