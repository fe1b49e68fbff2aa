"""What one operation carries: the viewer, the stubs, its loaders, and what was missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from strawberry.types import Info

from gateway.clients import Clients
from gateway.loaders import Loaders
from gateway.viewers import Viewer
from mesh import deadline
from mesh.auth import ViewerSigner, viewer_scope
from mesh.events.hints import Hints
from mesh.logs import request_id as logged_request_id

__all__ = ["Context", "Contexts", "GatewayInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One operation, or one step of a subscription."""

    viewer: Viewer
    clients: Clients
    hints: Hints
    signer: ViewerSigner
    budget_s: float
    """Time for the whole operation, in seconds; of a subscription, for each of its steps."""
    request_id: str
    loaders: Loaders
    degraded: set[str] = field(default_factory=set)
    """Services whose fields are null because they did not answer; told in `extensions.degraded`."""

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Run a block, and its outward calls, as the viewer within the budget. A signature lives a minute, so a subscription takes one for each step."""
        token = logged_request_id.set(self.request_id)
        try:
            with viewer_scope(self.signer.sign(self.viewer.context)), deadline.scope(self.budget_s):
                yield
        finally:
            logged_request_id.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """Makes the context of each operation."""

    clients: Clients
    hints: Hints
    signer: ViewerSigner
    budget_s: float

    def make(self, viewer: Viewer, request_id: str) -> Context:
        """A context with loaders of its own."""
        return Context(
            viewer=viewer,
            clients=self.clients,
            hints=self.hints,
            signer=self.signer,
            budget_s=self.budget_s,
            request_id=request_id,
            loaders=Loaders(self.clients, viewer_id=viewer.user_id),
        )


GatewayInfo = Info[Context, Any]
