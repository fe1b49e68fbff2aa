"""Certificates of the processes of one folder: a private authority, made once, and one certificate for each process, renewed before it ends."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack.keys import PROCESSES
from devstack.layout import SERVICES
from mesh.tls import DOMAIN, InvalidTls, TlsFiles, name_of, read_material, service_of

DAYS: Final = 30
LONGEST_DAYS: Final = 825
"""More than clients of the public web believe helps nobody."""

_CA_DAYS: Final = 3650
_BACKDATED: Final = timedelta(minutes=5)
"""Clocks of two machines differ; a certificate of this minute has to be believed by both."""
_RENEWED_IN_LAST: Final = 3
"""A certificate is renewed in the last third of its life."""
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")


class CertsRefused(ValueError):
    """Certificates cannot be made; the text names the file or the word, and what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of the certificate of one process."""

    process: str
    new: bool
    """False when the one that was there goes on."""
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    days: int
    hosts: AbstractSet[x509.GeneralName] | None
    now: datetime


def files_of(folder: Path, process: str) -> TlsFiles:
    """The files of one process below a folder of certificates."""
    return TlsFiles(cert=folder / f"{process}.pem", key=folder / f"{process}.key", ca=folder / "ca.pem")


def make_certs(folder: Path, *, days: int = DAYS, hosts: Sequence[str] | None = None, now: datetime | None = None) -> list[Made]:
    """Make what is missing, renew what is in the last third of its life or has other hosts, keep the rest. Raises CertsRefused.

    `hosts` are names beside that of the service, for those who ask for a machine; None for those that each certificate has.

    An authority that is there is never replaced: every process that runs believes it. Its key is asked for only when something has to be signed,
    so it can be kept elsewhere.
    """
    moment = now or datetime.now(UTC)
    order = _Order(days=days, hosts=None if hosts is None else frozenset(_host(host) for host in hosts), now=moment)
    if not 1 <= days <= LONGEST_DAYS:
        raise CertsRefused(f"certificates live between 1 and {LONGEST_DAYS} days, not {days}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _find_authority(folder) or _make_authority(folder, moment)
    if moment >= authority.not_valid_after_utc:
        raise CertsRefused(
            f"{folder / 'ca.pem'} has ended; move ca.pem and ca.key away, and a new authority is made that every process has to be told"
        )
    kept = {process: _kept(folder, process, order) for process in PROCESSES}
    if all(kept.values()):
        return [Made(process, False, ends_at) for process, ends_at in kept.items() if ends_at is not None]
    signer = _Authority(certificate=authority, key=_authority_key(folder, authority))
    return [
        Made(process, False, ends_at) if ends_at is not None else Made(process, True, _issue(folder, process, signer, order))
        for process, ends_at in kept.items()
    ]


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        pass
    if not _HOST.match(text):
        raise CertsRefused(f"{text!r} is no host: a DNS name in lower case or an IP address")
    if text == DOMAIN or text.endswith(f".{DOMAIN}"):
        raise CertsRefused(f"{text!r} would name a service; names under {DOMAIN} are given by this command alone")
    return x509.DNSName(text)


def _find_authority(folder: Path) -> x509.Certificate | None:
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not certificate.exists():
        if key.exists():
            raise CertsRefused(f"{key} is there without ca.pem; put ca.pem back, or move ca.key away for a new authority")
        return None
    try:
        # One that is on its way out may stand behind the one that signs.
        return x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise CertsRefused(f"{certificate} cannot be read as a certificate: {error}") from None


def _authority_key(folder: Path, certificate: x509.Certificate) -> ec.EllipticCurvePrivateKey:
    path = folder / "ca.key"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CertsRefused(f"{path} is needed to sign new certificates and cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CertsRefused(f"{path} is not the key of ca.pem")
    return key


def _make_authority(folder: Path, now: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Clipmesh private authority {secrets.token_hex(4)}")])
    builder = _builder(name, name, key.public_key(), now, now + timedelta(days=_CA_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    _write(folder / "ca.key", _pem(key))
    _write(folder / "ca.pem", certificate.public_bytes(Encoding.PEM))
    return certificate


def _kept(folder: Path, process: str, order: _Order) -> datetime | None:
    """When the certificate of a process ends, if it can go on; None when it needs a new one."""
    files = files_of(folder, process)
    try:
        material = read_material(files, service=process, now=order.now)
    except InvalidTls:
        return None
    leaf = x509.load_pem_x509_certificate(material.chain)
    life, left = leaf.not_valid_after_utc - leaf.not_valid_before_utc, leaf.not_valid_after_utc - order.now
    as_ordered = order.hosts is None or order.hosts == _hosts_of(leaf)
    return leaf.not_valid_after_utc if left * _RENEWED_IN_LAST > life and as_ordered else None


def _hosts_of(leaf: x509.Certificate) -> AbstractSet[x509.GeneralName]:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {name for name in names if not (isinstance(name, x509.DNSName) and service_of([name.value]))}


def _hosts_before(file: Path) -> AbstractSet[x509.GeneralName]:
    """Hosts of the certificate that is replaced; none when there is none that can be read."""
    try:
        return _hosts_of(x509.load_pem_x509_certificate(file.read_bytes()))
    except (OSError, ValueError, x509.ExtensionNotFound):
        return frozenset()


def _issue(folder: Path, process: str, authority: _Authority, order: _Order) -> datetime:
    files = files_of(folder, process)
    hosts = _hosts_before(files.cert) if order.hosts is None else order.hosts
    key = ec.generate_private_key(ec.SECP256R1())
    ends_at = min(order.now + timedelta(days=order.days), authority.certificate.not_valid_after_utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name_of(process))])
    # The gateway and the operator call and are not called.
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if process in SERVICES else [])]
    builder = _builder(name, authority.certificate.subject, key.public_key(), order.now, ends_at)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name_of(process)), *sorted(hosts, key=str)]), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write(files.key, _pem(key))
    _write(files.cert, certificate.public_bytes(Encoding.PEM))
    return certificate.not_valid_after_utc


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, ends_at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
