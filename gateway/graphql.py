"""GraphQL over HTTP, graphql-transport-ws and SSE: who asks is known before anything runs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import strawberry
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.extensions import SchemaExtension
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionContext
from strawberry.types.graphql import OperationType

from gateway.clients import Clients
from gateway.context import Context
from gateway.errors import code_of, fault_of
from gateway.loaders import Loaders
from gateway.schema.root import TYPES, Mutation, Query, Subscription
from gateway.schema.scalars import CONFIG
from gateway.viewers import SESSION_COOKIE, SESSION_S, Viewers
from mesh import deadline
from mesh.auth import viewer_scope
from mesh.errors import MeshError
from mesh.events.hints import Hints

INIT_WAIT_S = 5
MOST_SUBSCRIPTIONS = 20


class Acting(SchemaExtension):
    """Runs an operation as its viewer, within its budget, and says what was missing."""

    async def on_operation(self) -> AsyncIterator[None]:
        with viewer_scope(self.execution_context.context.viewer.signed):
            yield

    async def on_execute(self) -> AsyncIterator[None]:
        if self.execution_context.operation_type is OperationType.SUBSCRIPTION:
            yield
            return
        with deadline.scope(self.execution_context.context.budget_s):
            yield

    def get_results(self) -> dict[str, Any]:
        degraded = self.execution_context.context.degraded
        return {"degraded": sorted(degraded)} if degraded else {}


class ClipmeshSchema(strawberry.Schema):
    """The schema with faults told by code and everything else masked."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        for error in errors:
            original = error.original_error
            if isinstance(original, MeshError):
                fault = fault_of(original)
                error.message, error.extensions = fault.message, dict(fault.extensions or {})


def make_schema() -> ClipmeshSchema:
    """The schema for clients."""
    return ClipmeshSchema(query=Query, mutation=Mutation, subscription=Subscription, types=TYPES, config=CONFIG, extensions=[Acting])


class GraphQLApp(GraphQL[Context, None]):
    """The ASGI application behind /graphql."""

    def __init__(
        self, *, schema: ClipmeshSchema, viewers: Viewers, clients: Clients, hints: Hints, development: bool, budget_s: float
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if development else None,
            allow_queries_via_get=True,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=INIT_WAIT_S),
            max_subscriptions_per_connection=MOST_SUBSCRIPTIONS,
        )
        self._viewers = viewers
        self._clients = clients
        self._hints = hints
        self._budget_s = budget_s

    async def on_ws_connect(self, context: Context) -> None:
        """A socket is who its connection_init says; a token that is no good closes it with 4403."""
        authorization = context.connection_params.get("authorization")
        if context.socket is None or not isinstance(authorization, str):
            return
        try:
            context.viewer = await self._viewers.of(context.socket, authorization=authorization)
        except MeshError as error:
            raise ConnectionRejectionError({"code": code_of(error)}) from error

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        viewer = await self._viewers.of(request)
        if viewer.new_session and isinstance(response, Response):
            response.set_cookie(SESSION_COOKIE, viewer.new_session, max_age=SESSION_S, httponly=True, samesite="lax")
        return Context(
            viewer=viewer,
            clients=self._clients,
            loaders=Loaders(self._clients),
            hints=self._hints,
            budget_s=self._budget_s,
            socket=request if isinstance(request, WebSocket) else None,
            request_id=request.headers.get("x-request-id", "")[:64] or str(uuid.uuid4()),
        )
