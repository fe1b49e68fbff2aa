"""Establishes which service calls and which viewer it calls for, and refuses whoever the method does not list."""

from __future__ import annotations

from typing import Any

from clipmesh.common.v1 import viewer_pb2

from mesh.auth import VIEWER_METADATA_KEY, ServiceTokens, ViewerReader, enter_call, has_role
from mesh.errors import LoginUnconfirmed, PermissionDenied, SignInRequired, Unauthenticated
from mesh.interceptors.call import Call, Handler, Method
from mesh.service_tokens import METADATA_KEY
from mesh.tls import caller_of


class Identify:
    """Believes certificates of the authorities, service tokens signed by peers and viewer contexts signed by the gateway, nothing else."""

    def __init__(self, *, tokens: ServiceTokens, viewers: ViewerReader) -> None:
        self._tokens = tokens
        self._viewers = viewers

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler for listed callers and viewers only."""
        tokens, viewers = self._tokens, self._viewers
        callers, rule = frozenset(method.access.callers), method.access.viewer

        async def identified(request: Any, call: Call) -> Any:
            call.caller = _caller(tokens, call)
            if call.caller not in callers:
                raise PermissionDenied(f"{call.caller} may not call {method.name}")
            signed = call.metadata.get(VIEWER_METADATA_KEY, b"")
            viewer: viewer_pb2.ViewerContext | None = None
            if signed:
                viewer = viewers.read(signed if isinstance(signed, bytes) else signed.encode())
            if rule.signed_in:
                if viewer is None or not viewer.user_id:
                    raise SignInRequired
                if rule.privileged and viewer.login_unconfirmed:
                    raise LoginUnconfirmed
                if rule.roles and not has_role(viewer, rule.roles):
                    raise PermissionDenied(f"the viewer lacks the role for {method.name}")
            enter_call(call.caller, viewer, signed if isinstance(signed, bytes) else b"")
            return await inner(request, call)

        return identified


def _caller(tokens: ServiceTokens, call: Call) -> str:
    """The service that calls: its certificate says so, and where connections have none its token. A token beside a certificate has to agree."""
    token, certified = call.text(METADATA_KEY), caller_of(call.context.auth_context())
    if certified is None:
        if not token:
            raise Unauthenticated("the call carries no service token")
        return tokens.caller(token)
    if not certified:
        raise Unauthenticated("the certificate names no service, or several")
    if token and tokens.caller(token) != certified:
        raise Unauthenticated(f"the service token names another service than the certificate of {certified}")
    return certified
