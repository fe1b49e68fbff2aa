"""The certificate that the edge shows to browsers: TLS 1.3 alone, checked at start, read anew when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.settings import GatewaySettings
from mesh.certificates import Chain, InvalidTls, read_chain, signature_of
from mesh.tls import LOOK_EVERY_S, WARNED_IN_LAST

ALPN: Final = ("http/1.1",)

_log = logging.getLogger("clipmesh.tls")


class Certificate:
    """What new connections are secured with; open ones keep what they began with."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises InvalidTls."""
        self._files = (cert, key)
        self._seen = signature_of(*self._files)
        self._chain, self._context = self._read()
        self._complaint = ""
        self._warned_of: datetime | None = None

    @classmethod
    def of(cls, settings: GatewaySettings) -> Certificate | None:
        """As the settings say; None when they name none. Raises InvalidTls."""
        return cls(Path(settings.https_cert), Path(settings.https_key)) if settings.https_cert else None

    def current(self) -> ssl.SSLContext:
        """The newest that can be used."""
        return self._context

    async def watch(self) -> None:
        """Look for renewed files, for ever."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Take files that were replaced; those that cannot be used are complained about, and what was there before goes on to serve."""
        try:
            seen = signature_of(*self._files)
            if seen != self._seen:
                self._chain, self._context = self._read()
                self._seen, self._complaint = seen, ""
                _log.info("browsers are shown a new certificate", extra={"ends_at": self._chain.ends_at.isoformat()})
        except InvalidTls as error:
            # A writer replaces one file after the other: what does not fit together now may do so at the next look.
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("the new certificate for browsers cannot be used, the old one stays: %s", error)
        self._mind_the_end()

    def _mind_the_end(self) -> None:
        ends_at = self._chain.ends_at
        if (ends_at - datetime.now(UTC)) * WARNED_IN_LAST < ends_at - self._chain.starts_at and self._warned_of != ends_at:
            self._warned_of = ends_at
            _log.warning("the certificate in %s ends at %s; then every browser refuses it", self._files[0], ends_at.isoformat())

    def _read(self) -> tuple[Chain, ssl.SSLContext]:
        cert, key = self._files
        before = signature_of(cert, key)
        chain = read_chain(cert, key)
        if not chain.serves:
            raise InvalidTls(f"the certificate in {cert} may not be used by servers")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(ALPN)
        try:
            # The password keeps OpenSSL from asking a terminal for one.
            context.load_cert_chain(cert, key, password="")
        except (OSError, ValueError) as error:
            raise InvalidTls(f"{cert} and {key} cannot be used: {getattr(error, 'reason', None) or error}") from None
        if signature_of(cert, key) != before:
            raise InvalidTls(f"{cert} and {key} were replaced while they were read")
        return chain, context
