"""Connections to one gateway; the certificates that they may need are read once."""

from __future__ import annotations

import functools
import ssl

import httpx


@functools.cache
def _authorities() -> ssl.SSLContext:
    """The whole bundle takes longer to read than most calls."""
    return httpx.create_ssl_context()


def connections(origin: str, *, timeout_s: float) -> httpx.AsyncClient:
    """Connections to `origin`, whose calls take `timeout_s` at most."""
    return httpx.AsyncClient(base_url=origin, timeout=timeout_s, verify=_authorities())
