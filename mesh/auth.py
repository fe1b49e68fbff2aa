"""Who is calling and who is asking: the caller is a service, the viewer a person whose context the gateway signed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from clipmesh.common.v1 import viewer_pb2
from google.protobuf.message import DecodeError

from mesh.clock import Clock
from mesh.errors import PermissionDenied, SignInRequired, Unauthenticated
from mesh.secrets import InvalidSecrets, Secrets
from mesh.service_tokens import ServiceTokens

__all__ = [
    "GATEWAY",
    "VIEWER_METADATA_KEY",
    "InvalidSecrets",
    "Secrets",
    "ServiceTokens",
    "ViewerReader",
    "ViewerSigner",
    "current_caller",
    "current_signed_viewer",
    "current_viewer",
    "require_role",
    "require_signed_in",
    "viewer_scope",
    "without_viewer",
]

GATEWAY = "gateway"
"""The only service whose word about a viewer is believed."""

VIEWER_METADATA_KEY = "clipmesh-viewer-bin"
VIEWER_TTL_MS = 60_000
_REMEMBERED = 4096
_EXPIRY = struct.Struct(">q")

_caller: ContextVar[str] = ContextVar("clipmesh_caller", default="")
_viewer: ContextVar[viewer_pb2.ViewerContext | None] = ContextVar("clipmesh_viewer", default=None)
_signed_viewer: ContextVar[bytes] = ContextVar("clipmesh_signed_viewer", default=b"")


class ViewerSigner:
    """Signs viewer contexts; the gateway's part."""

    def __init__(self, *, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._signed: dict[tuple[bytes, int], viewer_pb2.SignedViewerContext] = {}

    def sign(self, context: viewer_pb2.ViewerContext, *, ttl_ms: int = VIEWER_TTL_MS) -> viewer_pb2.SignedViewerContext:
        """`context` signed for at least half of `ttl_ms`: equal contexts share a signature until then."""
        now_ms = self._clock.now_ms()
        data = context.SerializeToString(deterministic=True)
        known = self._signed.get((data, ttl_ms))
        if known is not None and ttl_ms // 2 <= known.expires_at_ms - now_ms <= ttl_ms:
            return known
        expires_at_ms = now_ms + ttl_ms
        signed = viewer_pb2.SignedViewerContext(
            context=data,
            expires_at_ms=expires_at_ms,
            key_id=self._secrets.key_id,
            signature=self._secrets.sign(data + _EXPIRY.pack(expires_at_ms)),
        )
        if len(self._signed) >= _REMEMBERED:
            self._signed.clear()
        self._signed[(data, ttl_ms)] = signed
        return signed


class ViewerReader:
    """Reads signed viewer contexts; every service's part."""

    def __init__(self, *, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._read: dict[bytes, tuple[bytes, int]] = {}

    def read(self, data: bytes) -> viewer_pb2.ViewerContext:
        """The context in `data`, a serialised SignedViewerContext; Unauthenticated unless the gateway's key signed it and it has not expired."""
        known = self._read.get(data)
        if known is None:
            known = self._verified(data)
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[data] = known
        if known[1] <= self._clock.now_ms():
            raise Unauthenticated("the viewer context has expired")
        # Parsed anew each time: messages can be changed, and the bytes are shared by many calls.
        return viewer_pb2.ViewerContext.FromString(known[0])

    def _verified(self, data: bytes) -> tuple[bytes, int]:
        try:
            signed = viewer_pb2.SignedViewerContext.FromString(data)
            signed_bytes = signed.context + _EXPIRY.pack(signed.expires_at_ms)
            genuine = signed.key_id == self._secrets.key_id_of(GATEWAY) and self._secrets.verify(GATEWAY, signed_bytes, signed.signature)
            viewer_pb2.ViewerContext.FromString(signed.context)
        except DecodeError:
            raise Unauthenticated("the viewer context cannot be read") from None
        if not genuine:
            raise Unauthenticated("the viewer context is not signed by the gateway")
        return signed.context, signed.expires_at_ms


def current_caller() -> str:
    """The service that made the call at hand; empty outside a call."""
    return _caller.get()


def current_viewer() -> viewer_pb2.ViewerContext:
    """Who is asking and from where; an empty context (user_id 0) when nobody signed in or no person is behind the work."""
    viewer = _viewer.get()
    return viewer_pb2.ViewerContext() if viewer is None else viewer


def current_signed_viewer() -> bytes:
    """The serialised SignedViewerContext that outward calls pass on; empty when there is none."""
    return _signed_viewer.get()


def require_signed_in() -> viewer_pb2.ViewerContext:
    """The viewer, who has to be signed in; else SignInRequired."""
    viewer = current_viewer()
    if not viewer.user_id:
        raise SignInRequired
    return viewer


def require_role(*roles: viewer_pb2.Role.ValueType) -> viewer_pb2.ViewerContext:
    """The signed-in viewer, who has to have one of `roles` or be an administrator; else PermissionDenied."""
    viewer = require_signed_in()
    if not has_role(viewer, roles):
        raise PermissionDenied("the viewer lacks the role for this")
    return viewer


def has_role(viewer: viewer_pb2.ViewerContext, roles: tuple[viewer_pb2.Role.ValueType, ...] | frozenset[viewer_pb2.Role.ValueType]) -> bool:
    """True when the viewer has one of `roles`; administrators have all."""
    return any(role in roles or role == viewer_pb2.ROLE_ADMIN for role in viewer.roles)


def enter_call(caller: str, viewer: viewer_pb2.ViewerContext | None, signed_viewer: bytes) -> None:
    """Set the identities of the call at hand; each call runs in a task of its own, so nothing has to be taken back."""
    _caller.set(caller)
    _viewer.set(viewer)
    _signed_viewer.set(signed_viewer)


@contextmanager
def viewer_scope(signed: viewer_pb2.SignedViewerContext) -> Iterator[viewer_pb2.ViewerContext]:
    """Run a block, and its outward calls, for the viewer that `signed` names; the gateway uses it once per request."""
    viewer = viewer_pb2.ViewerContext.FromString(signed.context)
    viewer_token, signed_token = _viewer.set(viewer), _signed_viewer.set(signed.SerializeToString())
    try:
        yield viewer
    finally:
        _viewer.reset(viewer_token)
        _signed_viewer.reset(signed_token)


@contextmanager
def without_viewer() -> Iterator[None]:
    """Run a block, and its outward calls, as the service itself with nobody behind it."""
    viewer_token, signed_token = _viewer.set(None), _signed_viewer.set(b"")
    try:
        yield
    finally:
        _viewer.reset(viewer_token)
        _signed_viewer.reset(signed_token)
