"""A broker that also listens with passwords, in the clear and over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.ports import free_ports
from devstack.servers.cache import Cache
from devstack.servers.kafka import Kafka
from devstack.servers.keeper import Keeper
from devstack.servers.recipe import Command, Place
from devstack.servers.server import Server
from tests.contract.rpc.certificates import Authority, Certificate

USER, PASSWORD = "clipmesh", "right"
_LOGIN = (
    f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
)


@dataclass(frozen=True, slots=True)
class SecuredKafka(Kafka):
    """Its third port takes passwords, its fourth passwords over TLS."""

    port_count: int = 4
    certificate: Certificate | None = None

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """As the plain one, with two listeners more."""
        command = Kafka.command(self, Place(folder=place.folder, ports=place.ports[:2], durable=place.durable), cache=cache, keeper=keeper)
        assert self.certificate is not None
        plain, controller, password, tls = place.ports
        others = {"SASL_PLAINTEXT": password, "SASL_SSL": tls}
        listeners = {"PLAINTEXT": plain, **others}
        said = {
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in {**listeners, "CONTROLLER": controller}.items()),
            "advertised.listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in listeners) + ",CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": _one_line(self.certificate.key),
            "ssl.keystore.certificate.chain": _one_line(self.certificate.chain),
        } | {f"listener.name.{name.lower()}.plain.sasl.jaas.config": _LOGIN for name in others}
        with (place.folder / "server.properties").open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in said.items())
        return command


def _one_line(pem: bytes) -> str:
    return pem.decode().replace("\n", "\\n")


@dataclass(frozen=True, kw_only=True)
class Secured:
    """Where the broker of a test listens."""

    plain: int
    password: int
    tls: int
    ca: Path
    """Signed the broker's certificate."""
    other_ca: Path
    """Did not."""


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """A broker of the test's own. Raises ServerRefused when it cannot run here."""
    authority, other = Authority(), Authority("another authority")
    for name, who in (("ca", authority), ("other-ca", other)):
        (folder / f"{name}.pem").write_bytes(who.pem)
    ports = tuple(free_ports(4))
    keeper = Keeper()
    recipe = SecuredKafka(certificate=authority.certificate(addresses=["127.0.0.1"]))
    server = Server(recipe, Place(folder=folder / "kafka", ports=ports, durable=False), cache=Cache(), keeper=keeper)
    try:
        server.start()
        yield Secured(plain=ports[0], password=ports[2], tls=ports[3], ca=folder / "ca.pem", other_ca=folder / "other-ca.pem")
    finally:
        server.stop()
        keeper.close()
