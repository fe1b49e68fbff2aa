"""What social knows of access tokens: who signs them, and whether their sessions go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from clipmesh.social.v1 import identity_service_pb2

from gateway.clients import Clients
from mesh.auth import without_viewer
from mesh.session_checks import SessionNow


def signing_keys_of(clients: Clients) -> Callable[[], Awaitable[Sequence[identity_service_pb2.SigningKey]]]:
    """Asks for every key that tokens may be signed with."""

    async def keys() -> Sequence[identity_service_pb2.SigningKey]:
        with without_viewer():
            answer = await clients.identity.ListSigningKeys(identity_service_pb2.ListSigningKeysRequest())
        return answer.keys

    return keys


def sessions_of(clients: Clients) -> Callable[[int], Awaitable[SessionNow]]:
    """Asks how a session stands."""

    async def session(session_id: int) -> SessionNow:
        with without_viewer():
            answer = await clients.identity.GetSession(identity_service_pb2.GetSessionRequest(session_id=session_id))
        return SessionNow(active=answer.active, consents=tuple(answer.consents))

    return session
