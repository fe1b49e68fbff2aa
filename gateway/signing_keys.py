"""Publishes the keys that verify access tokens (RFC 7517), asked for once a minute however many want them."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from clipmesh.social.v1 import identity_service_pb2 as pb
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.clients import Clients
from gateway.problems import problem
from mesh import deadline
from mesh.clock import Clock
from mesh.errors import MeshError

CALL_S = 5.0
FRESH_MS = 60_000
"""How long keys are told without asking again: social announces a key longer before it signs with it."""
AWAY_MS = 1_000
"""How long social is not asked again after it did not answer."""


class PublishedKeys:
    """The route of the key set."""

    def __init__(self, *, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._keys: list[dict[str, Any]] | None = None
        self._ask_after_ms = 0
        self._asking = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The endpoint."""
        return [Route("/.well-known/jwks.json", self.jwks, methods=["GET"])]

    async def jwks(self, request: Request) -> Response:
        """The keys, or 503 while nobody knows them."""
        async with self._asking:
            if self._clock.monotonic_ms() >= self._ask_after_ms:
                await self._ask()
        if self._keys is None:
            return problem(503, "UNAVAILABLE", "the keys cannot be told at this moment; try again", headers={"retry-after": "1"})
        return JSONResponse({"keys": self._keys}, headers={"cache-control": f"public, max-age={FRESH_MS // 1000}"})

    async def _ask(self) -> None:
        try:
            with deadline.scope(CALL_S):
                answer = await self._clients.identity.ListSigningKeys(pb.ListSigningKeysRequest())
        except MeshError:
            self._keys, self._ask_after_ms = None, self._clock.monotonic_ms() + AWAY_MS
            return
        self._keys = [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.key_id, "x": _base64url(key.public_key)}
            for key in answer.keys
        ]
        self._ask_after_ms = self._clock.monotonic_ms() + FRESH_MS


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
