"""GraphQL over HTTP: GET for queries, POST for all, batches, event streams; the statuses of the GraphQL over HTTP specification."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import strawberry
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission
from gateway.browsers import Origins
from gateway.errors import Fault, fault_of
from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Plan, refusal_of
from gateway.protocols.events import EventStreams
from gateway.protocols.negotiation import Media, accepted, is_json
from gateway.protocols.parameters import BadRequest, asked_in_address, asked_of, body_of, json_of, request_id_of
from gateway.protocols.requests import ClientRequest
from gateway.protocols.running import ClientGone, Running
from gateway.rates import RateLimited
from gateway.viewers import Viewer, Viewers
from mesh.errors import MeshError
from mesh.tokens import InvalidAccessToken

_GRAPHIQL = Path(strawberry.__file__).parent / "static" / "graphiql.html"
_METHODS = "GET, POST, OPTIONS"
_STATUS = {"RATE_LIMITED": 429, "UNAUTHENTICATED": 401, "UNAVAILABLE": 503}
"""Codes whose status does not depend on the media type: they say nothing of the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request, and how its answers look."""

    request: Request
    takes: Sequence[Media]
    request_id: str
    headers: dict[str, str]

    @property
    def plain(self) -> Media:
        """The JSON that the client likes best, for what is no stream and no page."""
        return next((media for media in self.takes if media in {Media.JSON, Media.GRAPHQL}), Media.JSON)

    def media(self, plan: Plan | Invalid) -> Media | None:
        """What an operation is answered with: what the client likes best of what can carry it; None when nothing can."""
        takes = [media for media in self.takes if media is not Media.PAGE]
        if isinstance(plan, Plan) and plan.kind is OperationType.SUBSCRIPTION:
            return next((media for media in takes if media.is_events or media is Media.PARTS_SUBSCRIPTION), None)
        if isinstance(plan, Plan) and plan.defers:
            # Who takes parts at all and asks for them wants them, in whatever order the types were named.
            in_parts = next((media for media in takes if media.form is not None), None)
            if in_parts is not None:
                return in_parts
        return next((media for media in takes if not media.is_multipart), takes[0])

    def answer(
        self,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        media: Media,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A JSON response."""
        named = {**self.headers, **(headers or {}), "content-type": media.content_type}
        return Response(orjson.dumps(body), status_code=status, headers=named)

    def refuse(self, errors: Sequence[GraphQLError], status: int, headers: Mapping[str, str] | None = None) -> Response:
        """A response without data."""
        return self.answer(refusal_of(errors, self.request_id), self.plain, status, headers)


class GraphQLHTTP:
    """The ASGI application behind /graphql for requests."""

    def __init__(
        self,
        *,
        running: Running,
        viewers: Viewers,
        admission: Admission,
        origins: Origins,
        events: EventStreams,
        body_bytes: int,
        batch: int,
        development: bool,
    ) -> None:
        self._running = running
        self._viewers = viewers
        self._admission = admission
        self._origins = origins
        self._events = events
        self._body_bytes = body_bytes
        self._batch = batch
        self._page = _GRAPHIQL.read_text(encoding="utf-8") if development else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = ClientRequest(scope, receive)
        request_id = request_id_of(request.headers)
        headers = {"x-request-id": request_id, "cache-control": "no-store", **self._origins.headers(request)}
        call = _Call(request=request, takes=accepted(request.headers.get("accept")), request_id=request_id, headers=headers)
        try:
            response = await self._respond(call)
        except BadRequest as refused:
            response = call.refuse([refused], refused.status, refused.headers)
        except Fault as fault:
            response = call.refuse([fault], _status([fault], call.plain), fault.headers if isinstance(fault, RateLimited) else {})
        except InvalidAccessToken as error:
            await self._count_stranger(request)
            reason = f'Bearer error="invalid_token", error_description="{error.message}"'
            response = call.refuse([fault_of(error)], 401, {"www-authenticate": reason})
        except MeshError as error:
            # Nobody could be asked who this is.
            response = call.refuse([fault_of(error)], 503, {"retry-after": "1"})
        except (ClientGone, ClientDisconnect):
            return
        await response(scope, receive, send)

    async def _respond(self, call: _Call) -> Response:
        request = call.request
        if not self._origins.may_ask(request):
            raise BadRequest("pages of this origin may not ask here", status=403)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={**call.headers, **self._origins.preflight(request), "allow": _METHODS})
        if request.method not in {"GET", "POST"}:
            raise BadRequest(f"use one of {_METHODS}", status=405, headers={"allow": _METHODS})
        if self._page and Media.PAGE in call.takes and request.method == "GET" and not _names_operation(request):
            return HTMLResponse(self._page, headers=call.headers | {"content-security-policy": "frame-ancestors 'none'"})
        if not any(media is not Media.PAGE for media in call.takes):
            raise BadRequest(f"answers come as {Media.GRAPHQL}, {Media.JSON} or {Media.EVENTS}", status=406)
        viewer = await self._viewers.of(request)
        if cookie := self._viewers.cookie(viewer):
            call.headers["set-cookie"] = cookie
        asked = await self._asked(request)
        plans = await self._running.admit([asked] if isinstance(asked, Asked) else asked, viewer)
        return await (self._one(call, viewer, plans[0]) if isinstance(asked, Asked) else self._many(call, viewer, plans))

    async def _asked(self, request: Request) -> Asked | list[Asked]:
        if request.method == "GET":
            return asked_in_address(request)
        if not is_json(request.headers.get("content-type", "")):
            raise BadRequest(f"send {Media.JSON}", status=415)
        sent = json_of(await body_of(request, most=self._body_bytes))
        if not isinstance(sent, list):
            return asked_of(sent)
        if not 1 <= len(sent) <= self._batch:
            raise BadRequest(f"a batch holds 1 to {self._batch} operations")
        return [asked_of(one) for one in sent]

    async def _one(self, call: _Call, viewer: Viewer, plan: Plan | Invalid) -> Response:
        kind = plan.kind if isinstance(plan, Plan) else None
        if call.request.method == "GET" and kind is OperationType.MUTATION:
            raise BadRequest("GET takes no mutations: send them by POST", status=405, headers={"allow": "POST"})
        media = call.media(plan)
        if media is None:
            raise BadRequest(f"subscriptions answer as {Media.EVENTS}, as {Media.PARTS_SUBSCRIPTION}, or over a socket", status=406)
        if media.is_events or (media.is_multipart and isinstance(plan, Plan)):
            return self._events.response(plan, viewer, call.request_id, call.headers, media)
        try:
            if isinstance(plan, Invalid):
                raise plan
            return call.answer(await self._running.answer(plan, viewer, call.request_id, receive=call.request.receive), media)
        except Invalid as invalid:
            return call.refuse(invalid.errors, _status(invalid.errors, call.plain))

    async def _many(self, call: _Call, viewer: Viewer, plans: Sequence[Plan | Invalid]) -> Response:
        if any(isinstance(plan, Plan) and plan.kind is OperationType.SUBSCRIPTION for plan in plans):
            raise BadRequest("a batch holds no subscriptions")
        answers = []
        # One after the other, as they would come on one connection: a mutation may be followed by the query that looks at it.
        for plan in plans:
            try:
                if isinstance(plan, Invalid):
                    raise plan
                answers.append(await self._running.answer(plan, viewer, call.request_id, receive=call.request.receive))
            except Invalid as invalid:
                answers.append(refusal_of(invalid.errors, call.request_id))
        return call.answer(answers, call.plain)

    async def _count_stranger(self, request: Request) -> None:
        with contextlib.suppress(RateLimited):
            await self._admission.charge_stranger(self._viewers.address(request))


def _names_operation(request: Request) -> bool:
    return "query" in request.query_params or "extensions" in request.query_params


def _status(errors: Sequence[GraphQLError], media: Media) -> int:
    """Of an answer without data: what concerns the document alone is no failure of HTTP for clients that take plain JSON."""
    code = errors[0].code if isinstance(errors[0], Fault) else ""
    return _STATUS.get(code) or (400 if media is Media.GRAPHQL else 200)
