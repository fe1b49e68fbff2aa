"""What one operation carries: the viewer, the stubs, its loaders, and what was missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket
from strawberry.types import Info

from gateway.clients import Clients
from gateway.loaders import Loaders
from gateway.viewers import Viewer
from mesh.events.hints import Hints

__all__ = ["Context", "GatewayInfo"]


@dataclass(slots=True, kw_only=True)
class Context:
    """One operation."""

    viewer: Viewer
    clients: Clients
    loaders: Loaders
    hints: Hints
    degraded: set[str] = field(default_factory=set)
    """Services whose fields are null because they did not answer; told in `extensions.degraded`."""
    budget_s: float = 5.0
    """Time for the whole operation, in seconds; of a subscription, for each of its steps."""
    socket: WebSocket | None = None
    """The socket of an operation that came over one."""
    connection_params: dict[str, Any] = field(default_factory=dict)
    """What a client said in connection_init."""
    request_id: str = ""


GatewayInfo = Info[Context, Any]
