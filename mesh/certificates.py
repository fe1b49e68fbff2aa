"""Certificates and their keys as files: read, and checked as far as their owner can check them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from mesh.settings import InvalidSetting

T = TypeVar("T")


class InvalidTls(InvalidSetting):
    """A certificate, a key or an authority cannot be used; the text names the file and what is wrong with it."""


def signature_of(*paths: Path) -> tuple[tuple[int, int, int], ...]:
    """Changes when one of the files is replaced. Raises InvalidTls."""
    found = []
    for path in paths:
        try:
            facts = path.stat()
        except OSError as error:
            raise InvalidTls(f"{path} cannot be read: {error.strerror}") from None
        found.append((facts.st_mtime_ns, facts.st_size, facts.st_ino))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A certificate whose key is there, valid now."""

    serves: bool
    """True when clients will accept it from a server."""
    starts_at: datetime
    ends_at: datetime


def read_chain(cert: Path, key: Path, *, now: datetime | None = None) -> Chain:
    """A chain and its key, checked as far as their owner can, whoever issued it. Raises InvalidTls."""
    key_pem, leaf = read_key(key), certificates_in(cert, read_file(cert))[0]
    check_key(key, key_pem, cert, leaf)
    check_dates(cert, leaf, now)
    uses = uses_of(leaf)
    return Chain(
        serves=uses is None or ExtendedKeyUsageOID.SERVER_AUTH in uses,
        starts_at=leaf.not_valid_before_utc,
        ends_at=leaf.not_valid_after_utc,
    )


def read_file(path: Path) -> bytes:
    """What a file holds. Raises InvalidTls."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidTls(f"{path} cannot be read: {error.strerror}") from None


def read_key(path: Path) -> bytes:
    """A private key that nobody else can read. Raises InvalidTls."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        raise InvalidTls(f"{path} cannot be read: {error.strerror}") from None
    # A secret mounted by an orchestrator belongs to root and is given to a group.
    allowed = 0o640 if facts.st_uid == 0 else 0o600
    if mode := stat.S_IMODE(facts.st_mode) & ~allowed & 0o077:
        raise InvalidTls(f"{path} is a private key and open to others (mode {stat.S_IMODE(facts.st_mode):o}, {mode:o} too much): chmod 600")
    return content


def check_key(key: Path, key_pem: bytes, cert: Path, leaf: x509.Certificate) -> None:
    """Raises InvalidTls unless the key is that of the certificate."""
    try:
        public_key = load_pem_private_key(key_pem, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidTls(f"{key} holds no private key that can be read without a password") from None
    if public_key != leaf.public_key():
        raise InvalidTls(f"{key} is not the key of the certificate in {cert}")


def check_dates(cert: Path, leaf: x509.Certificate, now: datetime | None) -> None:
    """Raises InvalidTls unless the certificate is valid at this moment."""
    moment = now or datetime.now(UTC)
    if not leaf.not_valid_before_utc <= moment < leaf.not_valid_after_utc:
        raise InvalidTls(
            f"the certificate in {cert} is valid from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} to "
            f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, not now"
        )


def certificates_in(path: Path, content: bytes) -> Sequence[x509.Certificate]:
    """A chain, the owner's own first. Raises InvalidTls."""
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise InvalidTls(f"{path} holds no certificate in PEM") from None


def dns_names_of(certificate: x509.Certificate) -> Sequence[str]:
    """The names that it proves."""
    return (
        _extension(
            certificate, lambda found: found.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        )
        or ()
    )


def uses_of(certificate: x509.Certificate) -> Sequence[x509.ObjectIdentifier] | None:
    """What it may be used for; None for anything."""
    return _extension(certificate, lambda found: list(found.get_extension_for_class(x509.ExtendedKeyUsage).value))


def _extension(certificate: x509.Certificate, read: Callable[[x509.Extensions], T]) -> T | None:
    try:
        return read(certificate.extensions)
    except (x509.ExtensionNotFound, ValueError):
        return None


def is_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
