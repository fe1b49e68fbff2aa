"""How the services of a running system are reached from outside it: sockets under a short name, or ports under the operator's certificate."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc

from devstack.certs import files_of
from devstack.layout import SERVICES
from mesh.operating import OPERATOR
from mesh.tls import Tls, channel_credentials, server_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Addresses of the services, and what to show there."""

    addresses: Mapping[str, str]
    tls: Tls | None
    """None for sockets, which ask for no certificate."""

    @classmethod
    def of(cls, folder: Path, *, addresses: Mapping[str, str]) -> Doors:
        """The doors of the system in `folder`, whose name has to be short; `addresses` are its ports, none when it listens on sockets.

        Raises InvalidTls.
        """
        if not addresses:
            return cls(addresses={name: f"unix:{folder}/run/{name}.sock" for name in SERVICES}, tls=None)
        return cls(addresses=addresses, tls=Tls(files_of(folder / "run" / "certs", OPERATOR), service=OPERATOR))

    def channel(self, service: str) -> grpc.aio.Channel:
        """A bare channel to a service, for one question."""
        if self.tls is None:
            return grpc.aio.insecure_channel(self.addresses[service])
        return grpc.aio.secure_channel(self.addresses[service], channel_credentials(self.tls.current()), options=server_name(service))


def loopback_addresses() -> dict[str, str]:
    """A free port on loopback for each service."""
    with ExitStack() as held:
        # All are held until the last is found, so that none is found twice.
        found = {name: held.enter_context(socket.socket()) for name in SERVICES}
        for probe in found.values():
            probe.bind(("127.0.0.1", 0))
        return {name: f"127.0.0.1:{probe.getsockname()[1]}" for name, probe in found.items()}
