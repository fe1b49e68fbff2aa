"""Mutual TLS between processes: certificates that name services, checked at start and read anew when their files change.

A certificate says who its owner is by one DNS name, `<service>.clipmesh`. gRPC compares DNS names with the name a client asked for and would not
compare a URI, so one kind of name proves the server to the client and the client to the server. Other names in it say nothing about identity.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh.certificates import (
    InvalidTls,
    certificates_in,
    check_dates,
    check_key,
    dns_names_of,
    is_issued,
    read_file,
    read_key,
    signature_of,
    uses_of,
)
from mesh.service_settings import ServiceSettings

__all__ = [
    "DOMAIN",
    "LONGEST_CALL_MS",
    "LONGEST_CONNECTION_MS",
    "LOOK_EVERY_S",
    "WARNED_IN_LAST",
    "InvalidTls",
    "Material",
    "Tls",
    "TlsFiles",
    "caller_of",
    "channel_credentials",
    "name_of",
    "read_material",
    "server_name",
    "service_of",
]

DOMAIN: Final = "clipmesh"
"""What follows the name of a service in its certificate; no public authority signs names of a domain that does not exist."""

LONGEST_CONNECTION_MS: Final = 600_000
"""How long a connection lives, in milliseconds: a peer has to show its certificate again, so that one that ended is believed no longer than this."""

LONGEST_CALL_MS: Final = 70_000
"""How long calls under way may take when their connection is given up, in milliseconds; longer than any method works."""

LOOK_EVERY_S: Final = 1.0
"""Pause between two looks at the files, in seconds."""

WARNED_IN_LAST: Final = 10
"""The end of a certificate is warned of in the last tenth of its life: whoever renews had two thirds of it before."""

_log = logging.getLogger("clipmesh.tls")


def name_of(service: str) -> str:
    """The DNS name that a certificate of `service` carries."""
    return f"{service}.{DOMAIN}"


def service_of(names: Iterable[str]) -> str:
    """The service that the DNS names of a certificate speak of; empty when they speak of none or of several."""
    services = {name.removesuffix(f".{DOMAIN}") for name in names if name.endswith(f".{DOMAIN}")}
    return services.pop() if len(services) == 1 else ""


def caller_of(facts: Mapping[str, Iterable[bytes]]) -> str | None:
    """The service that a connection's certificate names, empty when it names none; None for a connection without certificates.

    `facts` is the auth context of a call. gRPC fills it from a certificate that it verified, and from nothing that a client can write.
    """
    if list(facts.get("transport_security_type", ())) != [b"ssl"]:
        return None
    return service_of(name.decode("ascii", "replace") for name in facts.get("peer_dns", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the certificate chain, its key and the trusted authorities are, PEM all."""

    cert: Path
    key: Path
    ca: Path

    def signature(self) -> tuple[tuple[int, int, int], ...]:
        """Changes when a file is replaced. Raises InvalidTls."""
        return signature_of(self.cert, self.key, self.ca)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What one handshake needs; PEM."""

    generation: int
    """Differs from that of every other material of the process."""
    chain: bytes
    key: bytes
    authorities: bytes
    serves: bool
    """True when clients will accept the certificate from a server."""
    starts_at: datetime
    ends_at: datetime


def read_material(files: TlsFiles, *, service: str, generation: int = 0, now: datetime | None = None) -> Material:
    """The files, checked as far as their owner can. Raises InvalidTls."""
    key_pem, chain_pem, ca_pem = read_key(files.key), read_file(files.cert), read_file(files.ca)
    chain, authorities = certificates_in(files.cert, chain_pem), certificates_in(files.ca, ca_pem)
    leaf = chain[0]
    check_key(files.key, key_pem, files.cert, leaf)
    named = service_of(dns_names_of(leaf))
    if named != service:
        says = f"names {named}" if named else "names no service, or several"
        raise InvalidTls(f"the certificate in {files.cert} {says}; this process is {service} and needs the name {name_of(service)}")
    check_dates(files.cert, leaf, now)
    uses = uses_of(leaf)
    if uses is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
        raise InvalidTls(f"the certificate in {files.cert} may not be used by clients, and every process is one")
    for index, certificate in enumerate(chain):
        issuers = chain[index + 1 : index + 2] or authorities
        if not any(is_issued(certificate, issuer) for issuer in issuers):
            raise InvalidTls(f"the certificate in {files.cert} was not issued by an authority in {files.ca}")
    return Material(
        generation=generation,
        chain=chain_pem,
        key=key_pem,
        authorities=ca_pem,
        serves=uses is None or ExtendedKeyUsageOID.SERVER_AUTH in uses,
        starts_at=leaf.not_valid_before_utc,
        ends_at=leaf.not_valid_after_utc,
    )


class Tls:
    """The certificates of one process; what is on disk when a handshake begins counts. Safe to use from any thread."""

    def __init__(
        self, files: TlsFiles, *, service: str, connection_ms: int = LONGEST_CONNECTION_MS, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        """Raises InvalidTls, also for a certificate of another service."""
        self._files = files
        self._service = service
        self._look_every_s = look_every_s
        self._connection_ms = connection_ms
        self._lock = threading.Lock()
        self._seen = files.signature()
        self._material = read_material(files, service=service)
        self._look_at_s = time.monotonic() + look_every_s
        self._complaint = ""
        self._warned_of = -1

    @classmethod
    def of(cls, settings: ServiceSettings, *, service: str) -> Tls | None:
        """As the settings say; None when they name no certificate. Raises InvalidTls."""
        if not settings.tls_cert:
            return None
        files = TlsFiles(cert=Path(settings.tls_cert), key=Path(settings.tls_key), ca=Path(settings.tls_ca))
        return cls(files, service=service)

    def current(self) -> Material:
        """The newest material that can be used; files that cannot are complained about in the log, and what was there before goes on to serve."""
        with self._lock:
            now_s = time.monotonic()
            if now_s >= self._look_at_s:
                self._look_at_s = now_s + self._look_every_s
                self._look()
                self._mind_the_end()
            return self._material

    def _look(self) -> None:
        try:
            seen = self._files.signature()
            if seen == self._seen:
                return
            self._material = read_material(self._files, service=self._service, generation=self._material.generation + 1)
        except InvalidTls as error:
            # A writer replaces one file after the other: what does not fit together now may do so at the next look.
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("the new certificate cannot be used, the old one stays: %s", error)
            return
        self._seen, self._complaint = seen, ""
        _log.info("a new certificate is used", extra={"ends_at": self._material.ends_at.isoformat()})

    def _mind_the_end(self) -> None:
        left, life = self._material.ends_at - datetime.now(UTC), self._material.ends_at - self._material.starts_at
        if left * WARNED_IN_LAST < life and self._warned_of != self._material.generation:
            self._warned_of = self._material.generation
            _log.warning(
                "the certificate in %s ends at %s; then every peer refuses it", self._files.cert, self._material.ends_at.isoformat()
            )

    def server_credentials(self) -> grpc.ServerCredentials:
        """Asks every client for a certificate of the authorities, and every handshake for the newest files. Raises InvalidTls."""
        first = self.current()
        if not first.serves:
            raise InvalidTls(f"the certificate in {self._files.cert} may not be used by servers")
        told = first.generation

        def changed() -> Any:
            nonlocal told
            material = self.current()
            if material.generation == told:
                return None
            told = material.generation
            return _server_configuration(material)

        return grpc.dynamic_ssl_server_credentials(_server_configuration(first), changed, require_client_authentication=True)

    def server_options(self) -> tuple[tuple[str, int], ...]:
        """Ends connections after a while, so that certificates are shown again."""
        return (("grpc.max_connection_age_ms", self._connection_ms), ("grpc.max_connection_age_grace_ms", LONGEST_CALL_MS))


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """Shows the certificate of `material` and believes servers of its authorities alone."""
    return grpc.ssl_channel_credentials(material.authorities, material.key, material.chain)


def server_name(service: str) -> tuple[tuple[str, str], ...]:
    """Channel options that ask for the certificate of `service`, wherever it listens."""
    return (("grpc.ssl_target_name_override", name_of(service)),)


def _server_configuration(material: Material) -> Any:
    return grpc.ssl_server_certificate_configuration([(material.key, material.chain)], root_certificates=material.authorities)
