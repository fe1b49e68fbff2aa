"""How the services of a running system are reached from outside it: sockets under a short name, or ports under the operator's certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from devstack.certs import files_of
from devstack.layout import SERVICES, identity_of
from devstack.ports import free_port
from mesh.operating import OPERATOR
from mesh.tls import Tls, channel_credentials, server_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Addresses of the processes that serve, and what to show there."""

    addresses: Mapping[str, str]
    tls: Tls | None
    """None for sockets, which ask for no certificate."""

    @classmethod
    def of(cls, folder: Path, *, addresses: Mapping[str, str], processes: Iterable[str] = SERVICES) -> Doors:
        """The doors of the `processes` in `folder`, whose name has to be short; `addresses` are their ports, none when they listen on sockets.

        Raises InvalidTls.
        """
        if not addresses:
            return cls(addresses={name: f"unix:{folder}/run/{name}.sock" for name in processes}, tls=None)
        return cls(addresses=addresses, tls=Tls(files_of(folder / "run" / "certs", OPERATOR), service=OPERATOR))

    def by_service(self) -> dict[str, str]:
        """Every address of each service, as its callers are told."""
        found: dict[str, list[str]] = {}
        for process, address in self.addresses.items():
            found.setdefault(identity_of(process), []).append(address)
        return {service: ",".join(addresses) for service, addresses in found.items()}

    def channel(self, process: str) -> grpc.aio.Channel:
        """A bare channel to a process, for one question."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.addresses[process])
        named = server_name(identity_of(process))
        return grpc.aio.secure_channel(self.addresses[process], channel_credentials(self.tls.current()), options=named)


def loopback_addresses(processes: Iterable[str]) -> dict[str, str]:
    """A free port on loopback for each process."""
    return {name: f"127.0.0.1:{free_port()}" for name in processes}
