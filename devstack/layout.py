"""Where everything of one data folder lives, and the one environment that all processes of a system share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SERVICES = ("rights", "social", "sound", "video", "feed")
"""In the order in which they start: whoever is called starts before its callers."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "PYTHONHASHSEED", "VIRTUAL_ENV", "SSL_CERT_FILE")
"""What children inherit besides CLIPMESH_* and OTEL_*: nothing that would make two machines behave differently."""


def identity_of(process: str) -> str:
    """Under whose name a process speaks: instances under that of their service, a worker under that of video."""
    name = process.partition("-")[0]
    return "video" if name == "worker" else name


def serving(processes: Iterable[str]) -> tuple[str, ...]:
    """Those of a system's processes that serve a service; the services themselves where one process serves all of them."""
    return tuple(name for name in processes if name.partition("-")[0] in SERVICES) or SERVICES


def own_variables(process: str, *, tls: bool = False) -> dict[str, str]:
    """What differs between processes: a service, `gateway`, `worker-N`, `redis`, an instance as `video-2`."""
    identity = identity_of(process)
    certificate = {
        "CLIPMESH_TLS_CERT": f"run/certs/{identity}.pem",
        "CLIPMESH_TLS_KEY": f"run/certs/{identity}.key",
        "CLIPMESH_TLS_CA": "run/certs/ca.pem",
    }
    return {
        "CLIPMESH_SECRETS": f"run/secrets/{identity}.json",
        "CLIPMESH_METRICS": f"unix:run/{process}.metrics.sock",
        "CLIPMESH_NODE": process,
        **(certificate if tls else {}),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One data folder and how its system is reached."""

    folder: Path
    """Absolute; the working directory of every process."""
    port: int = 8080
    """Port of the gateway on 127.0.0.1."""
    tls: bool = False
    """Services listen on ports of 127.0.0.1 under certificates instead of unix sockets."""
    instances: int = 1
    """Processes of each service, behind one name; more than one need tables that are a server, since a folder's belong to one process."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Process of a service -> its port, set when the system starts; one without has a socket."""
    stores: Mapping[str, str] = field(default_factory=dict)
    """URLs of the stores that are servers elsewhere, by their variable (CLIPMESH_TABLES, ...); all others are in the folder."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """CLIPMESH_* variables that win over the computed ones, which win over inherited ones."""

    @property
    def run(self) -> Path:
        """Sockets, keys, process ids and logs."""
        return self.folder / "run"

    @property
    def origin(self) -> str:
        """Address of the gateway as a browser writes it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def certs(self) -> Path:
        """Certificates of the processes and of their authority."""
        return self.run / "certs"

    def instances_of(self, service: str) -> tuple[str, ...]:
        """The processes of a service: `video`, `video-2` and so on."""
        return (service, *(f"{service}-{number}" for number in range(2, self.instances + 1)))

    @property
    def served(self) -> tuple[str, ...]:
        """Every process of every service, in the order in which they start."""
        return tuple(process for service in SERVICES for process in self.instances_of(service))

    def _address(self, process: str) -> str:
        return self.addresses.get(process, f"unix:run/{process}.sock")

    def log(self, name: str) -> Path:
        """Log file of a process."""
        return self.run / "logs" / f"{name}.log"

    @property
    def own_redis(self) -> bool:
        """True when the system starts its own Redis."""
        return "CLIPMESH_REDIS" not in self.stores

    def prepare(self) -> None:
        """Make the folders."""
        kept = [part for part in ("tables", "blobs", "redis") if f"CLIPMESH_{part.upper()}" not in self.stores]
        for part in ("run/logs", "run/secrets", *kept, "scratch"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    def environment(self, process: str) -> dict[str, str]:
        """The environment of one process: a service, `gateway`, `worker-N`, `redis`, an instance as `video-2`."""
        inherited = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(("CLIPMESH_", "OTEL_"))}
        computed = {
            "CLIPMESH_TABLES": f"sqlite:///{self.folder / 'tables'}",
            "CLIPMESH_BLOBS": f"file://{self.folder / 'blobs'}",
            "CLIPMESH_REDIS": "unix://run/redis.sock",
            "CLIPMESH_EVENTS": "",
            **self.stores,
            "CLIPMESH_ORIGIN": self.origin,
            "CLIPMESH_HOST": "127.0.0.1",
            "CLIPMESH_PORT": str(self.port),
            "CLIPMESH_OAUTH_REDIRECTS": f"{self.origin}/callback,http://localhost:{self.port}/callback",
            "CLIPMESH_SCRATCH": "scratch",
            "CLIPMESH_DEVELOPMENT": "1",
            "CLIPMESH_DRAIN_WAIT_MS": "50",
            "PYTHONUNBUFFERED": "1",
            **own_variables(process, tls=self.tls),
        }
        for name in SERVICES:
            computed[f"CLIPMESH_{name.upper()}_ADDRESS"] = ",".join(map(self._address, self.instances_of(name)))
        if self.instances > 1 and process in self.served:
            computed["CLIPMESH_LISTEN"] = self._address(process)
        return {**inherited, **computed, **self.settings}
