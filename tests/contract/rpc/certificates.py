"""Authorities and certificates for tests, also those that nobody should believe, as files and as credentials of a bare client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.tls import TlsFiles, name_of

BOTH = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate with its key and the authorities that its owner believes."""

    chain: bytes
    key: bytes
    believes: bytes
    serial: int

    def write(self, folder: Path, name: str) -> TlsFiles:
        """As a process finds it; what is there is replaced file by file."""
        files = TlsFiles(cert=folder / f"{name}.pem", key=folder / f"{name}.key", ca=folder / f"{name}-ca.pem")
        for path, content in ((files.key, self.key), (files.cert, self.chain), (files.ca, self.believes)):
            partial = path.with_suffix(".partial")
            partial.touch(mode=0o600)
            partial.write_bytes(content)
            partial.rename(path)
        return files

    def credentials(self) -> grpc.ChannelCredentials:
        """For a bare client."""
        return grpc.ssl_channel_credentials(self.believes, self.key, self.chain)


class Authority:
    """Signs whatever a test asks for."""

    def __init__(self, name: str = "an authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = _builder(self._name, self._name, self._key.public_key(), now - HOUR, now + HOUR)
        self.pem = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .sign(self._key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )

    def certificate(
        self,
        *services: str,
        starts: timedelta = -HOUR,
        ends: timedelta = HOUR,
        uses: Sequence[x509.ObjectIdentifier] = BOTH,
        self_signed: bool = False,
        addresses: Sequence[str] = (),
    ) -> Certificate:
        """A certificate that names `services` and IP `addresses`, beside a host and a URI that nobody asks for."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([])
        builder = _builder(subject, subject if self_signed else self._name, key.public_key(), now + starts, now + ends)
        others = [x509.DNSName("host.example"), x509.UniformResourceIdentifier("spiffe://clipmesh/gateway")]
        names = [x509.DNSName(name_of(service)) for service in services]
        places = [x509.IPAddress(ip_address(address)) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName([*others, *names, *places]), True)
        signed = builder.add_extension(x509.ExtendedKeyUsage(uses), False).sign(key if self_signed else self._key, hashes.SHA256())
        return Certificate(
            chain=signed.public_bytes(Encoding.PEM),
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            believes=self.pem,
            serial=signed.serial_number,
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(starts).not_valid_after(ends)
