"""What a `kafka://` URL says: brokers, credentials, TLS, and how topics are cut and kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from mesh.events.stream.settings import StreamSettings
from mesh.settings import InvalidSetting

VARIABLE: Final = "CLIPMESH_EVENTS"
FORM: Final = (
    "kafka://[user:password@]host1:9092,host2:9092[?tls=1&ca=PATH&prefix=NAME&partitions=8&replication=1&retention_hours=168&sasl=PLAIN]"
)
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PORT: Final = 9_092
HOUR_MS: Final = 3_600_000

_OPTIONS: Final = frozenset({"tls", "ca", "prefix", "partitions", "replication", "retention_hours", "sasl"})
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaUrl:
    """A parsed URL; what it leaves out is None and taken from the stream's settings."""

    servers: tuple[str, ...]
    """Brokers to ask first, as host:port."""
    user: str = ""
    password: str = ""
    mechanism: str = "PLAIN"
    """How user and password are shown to the broker."""
    tls: bool = False
    ca: str = ""
    """A file of certificates to trust instead of the system's."""
    prefix: str = "clipmesh"
    """Start of every topic and group name, before a dot."""
    replication: int = 1
    """Copies of each partition, at most as many as there are brokers."""
    partitions: int | None = None
    retention_ms: int | None = None

    def settings(self, settings: StreamSettings) -> StreamSettings:
        """The stream's settings with what the URL says."""
        partitions = settings.partitions if self.partitions is None else self.partitions
        retention_ms = settings.retention_ms if self.retention_ms is None else self.retention_ms
        return replace(settings, partitions=partitions, retention_ms=retention_ms)

    def connection(self) -> dict[str, Any]:
        """What every client of the driver needs to reach the brokers."""
        options: dict[str, Any] = {"bootstrap.servers": ",".join(self.servers)}
        if self.tls and self.ca:
            options["ssl.ca.location"] = self.ca
        if self.user:
            options |= {"sasl.mechanism": self.mechanism, "sasl.username": self.user, "sasl.password": self.password}
        options["security.protocol"] = ("SASL_" if self.user else "") + ("SSL" if self.tls else "PLAINTEXT")
        return options

    def __str__(self) -> str:
        """As it may stand in a log."""
        return f"kafka://{'***@' if self.user else ''}{','.join(self.servers)}"


def parse(url: str) -> KafkaUrl:
    """Raises InvalidSetting that says what is wrong; the password never stands in it."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _invalid("kafka://...", f"{error}; write {FORM}") from None
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    shown = f"kafka://{'***@' if credentials else ''}{hosts}"
    if parts.scheme != "kafka" or parts.path.strip("/") or parts.fragment:
        raise _invalid(shown, f"write {FORM}")
    options = _options(shown, parts.query)
    if bool(user) != bool(password):
        raise _invalid(shown, "user and password belong together, as in kafka://user:password@host:9092")
    tls = _flag(shown, options, "tls")
    ca = options.get("ca", "")
    if ca and not tls:
        raise _invalid(shown, "ca= needs tls=1")
    if ca and not Path(ca).is_file():
        raise _invalid(shown, f"ca={ca} is no file; name a PEM file with the certificates to trust")
    prefix = options.get("prefix", "clipmesh")
    if not _NAME.fullmatch(prefix):
        raise _invalid(shown, f"prefix={prefix!r} has to be 1 to 64 letters, digits, - or _")
    mechanism = options.get("sasl", MECHANISMS[0]).upper()
    if mechanism not in MECHANISMS:
        raise _invalid(shown, f"sasl={mechanism} is none of {', '.join(MECHANISMS)}")
    hours = _number(shown, options, "retention_hours", 1, 24 * 3_650)
    return KafkaUrl(
        servers=tuple(_server(shown, host) for host in hosts.split(",")),
        user=unquote(user),
        password=unquote(password),
        mechanism=mechanism,
        tls=tls,
        ca=ca,
        prefix=prefix,
        replication=_number(shown, options, "replication", 1, 16) or 1,
        partitions=_number(shown, options, "partitions", 1, 1_024),
        retention_ms=None if hours is None else hours * HOUR_MS,
    )


def _options(shown: str, query: str) -> Mapping[str, str]:
    try:
        parsed = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise _invalid(shown, f"what follows the ? cannot be read; write {FORM}") from None
    for name, values in parsed.items():
        if name not in _OPTIONS:
            raise _invalid(shown, f"{name}= is not known; there are {', '.join(sorted(_OPTIONS))}")
        if len(values) > 1:
            raise _invalid(shown, f"{name}= stands there twice")
    return {name: values[0] for name, values in parsed.items()}


def _server(shown: str, text: str) -> str:
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, str(PORT)
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise _invalid(shown, f"{text!r} is no host:port")
    return f"{host}:{port}"


def _flag(shown: str, options: Mapping[str, str], name: str) -> bool:
    if (text := options.get(name, "0")) not in {"0", "1"}:
        raise _invalid(shown, f"{name}={text} has to be 0 or 1")
    return text == "1"


def _number(shown: str, options: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    if (text := options.get(name)) is None:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise _invalid(shown, f"{name}={text} has to be a whole number from {least} to {most:,}")
    return int(text)


def _invalid(shown: str, reason: str) -> InvalidSetting:
    return InvalidSetting(f"{VARIABLE}={shown}: {reason}")
