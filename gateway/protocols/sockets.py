"""GraphQL over sockets by the protocol graphql-transport-ws; the older graphql-ws is not spoken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from graphql import GraphQLError, OperationType
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.admission import Admission
from gateway.browsers import Origins
from gateway.errors import Fault, told
from gateway.execution.deferring import Form, form_of
from gateway.execution.documents import Invalid
from gateway.execution.engine import Plan
from gateway.protocols.connections import Connections, TooManyConnections
from gateway.protocols.events import EventStreams
from gateway.protocols.parameters import asked_of, request_id_of
from gateway.protocols.running import Running
from gateway.rates import RateLimited
from gateway.viewers import Viewer, Viewers
from mesh.errors import MeshError
from mesh.tokens import InvalidAccessToken

PROTOCOL: Final = "graphql-transport-ws"
BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, BAD_PROTOCOL = 4400, 4401, 4403, 4406
INIT_TIMEOUT, SUBSCRIBER_EXISTS, TOO_MANY_INITS = 4408, 4409, 4429
TOO_BIG, TRY_AGAIN = 1009, 1013
MOST_ID = 128
_MOST_REASON = 120
"""Bytes that a close frame has room for, roughly."""


class _Close(Exception):
    """The socket ends with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What one socket may do."""

    init_s: float
    operations: int
    message_bytes: int


class GraphQLSockets:
    """The ASGI application behind /graphql for sockets."""

    def __init__(
        self,
        *,
        running: Running,
        viewers: Viewers,
        admission: Admission,
        origins: Origins,
        streams: EventStreams,
        connections: Connections,
        limits: SocketLimits,
    ) -> None:
        self.running = running
        self.viewers = viewers
        self.admission = admission
        self.streams = streams
        self.limits = limits
        self._origins = origins
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        socket = WebSocket(scope, receive, send)
        if not self._origins.may_ask(socket):
            # A page of another origin could otherwise use the cookie of ours: sockets know no preflight.
            await socket.close(FORBIDDEN)
            return
        if PROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.accept()
            await socket.close(BAD_PROTOCOL, f"only {PROTOCOL} is spoken here")
            return
        await socket.accept(PROTOCOL)
        try:
            with self._connections.one(self.viewers.address(socket)):
                await _Session(self, socket).serve()
        except TooManyConnections:
            await socket.close(TRY_AGAIN, "too many sockets are open")


@dataclass(slots=True)
class _Session:
    """One socket from its first message to its end."""

    sockets: GraphQLSockets
    socket: WebSocket
    viewer: Viewer | None = None
    form: Form | None = None
    """How the client takes answers in parts; None when it takes them whole."""
    initialised: bool = False
    operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    failed: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Tells that an operation could not send."""
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def serve(self) -> None:
        watching = asyncio.create_task(self._watch())
        receiving = asyncio.create_task(self._receive())
        try:
            waiting: list[asyncio.Future[None]] = [receiving, self.failed, watching]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await self._end(next(one for one in waiting if one.done()).exception())
        finally:
            self.failed.cancel()
            tasks = [watching, receiving, *self.tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, error: BaseException | None) -> None:
        if isinstance(error, _Close):
            if self.socket.application_state is WebSocketState.CONNECTED:
                with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                    async with asyncio.timeout(self.sockets.streams.stall_s), self.sending:
                        await self.socket.close(error.code, error.reason[:_MOST_REASON])
        elif error is not None and not isinstance(error, WebSocketDisconnect | TimeoutError):
            raise error

    async def _receive(self) -> None:
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if not isinstance(text, str):
                raise _Close(BAD_MESSAGE, "messages are text")
            if len(text) > self.sockets.limits.message_bytes:
                raise _Close(TOO_BIG, "the message is too large")
            await self._handle(_object_of(text))

    async def _handle(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "connection_init":
                await self._init(message.get("payload"))
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._room()
                self._subscribe(message)
            case "complete":
                task = self.operations.pop(_id_of(message), None)
                if task is not None:
                    task.cancel()
            case _:
                raise _Close(BAD_MESSAGE, "that is no message of the protocol")

    async def _init(self, payload: object) -> None:
        if self.initialised:
            raise _Close(TOO_MANY_INITS, "Too many initialisation requests")
        self.initialised = True
        if payload is not None and not isinstance(payload, dict):
            raise _Close(BAD_MESSAGE, "the payload of connection_init is an object")
        given = payload or {}
        authorization = given.get("authorization", given.get("Authorization"))
        if authorization is not None and not isinstance(authorization, str):
            raise _Close(BAD_MESSAGE, "authorization is text")
        try:
            self.viewer = await self.sockets.viewers.of(self.socket, authorization=authorization)
        except InvalidAccessToken as error:
            with contextlib.suppress(RateLimited):
                await self.sockets.admission.charge_stranger(self.sockets.viewers.address(self.socket))
            # Clients of the protocol try again after 4403, with a new token if they have one; after 4401 they give up.
            raise _Close(FORBIDDEN, f"UNAUTHENTICATED: {error.message}") from error
        except MeshError as error:
            raise _Close(TRY_AGAIN, f"UNAVAILABLE: {error.message}") from error
        try:
            await self.sockets.admission.charge(self.viewer, 0)
        except RateLimited as limited:
            raise _Close(TRY_AGAIN, f"{limited.code}: {limited.message}") from limited
        self.form = form_of({name: value for name, value in given.items() if isinstance(value, str)})
        # Nothing in the protocol speaks of parts: both sides say that they mean the same.
        spec = dict([self.form.value.split("=")]) if self.form is not None else None
        await self._send({"type": "connection_ack", "payload": spec} if spec else {"type": "connection_ack"})
        self.acknowledged.set()

    async def _room(self) -> None:
        """Wait until few enough operations are about to say their last word: each keeps what it has to say until its reader takes it."""
        while len(self.tasks) >= 2 * self.sockets.limits.operations:
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)

    def _subscribe(self, message: dict[str, Any]) -> None:
        viewer = self.viewer
        if viewer is None:
            raise _Close(UNAUTHORIZED, "Unauthorized")
        name, payload = _id_of(message), message.get("payload")
        if not isinstance(payload, dict):
            raise _Close(BAD_MESSAGE, "the payload of subscribe is an object")
        if name in self.operations:
            raise _Close(SUBSCRIBER_EXISTS, f"Subscriber for {name} already exists")
        self.operations[name] = task = asyncio.create_task(self._operation(name, payload, viewer))
        self.tasks.add(task)
        task.add_done_callback(lambda done: self._forget(name, done))

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self.operations.get(name) is task:
            del self.operations[name]
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def _operation(self, name: str, payload: dict[str, Any], viewer: Viewer) -> None:
        request_id = request_id_of({})
        try:
            await self._run(name, payload, viewer, request_id)
        except Invalid as invalid:
            await self._refuse(name, invalid.errors, request_id)
        except Fault as fault:
            await self._refuse(name, [fault], request_id)

    async def _run(self, name: str, payload: dict[str, Any], viewer: Viewer, request_id: str) -> None:
        running = self.sockets.running
        if len(self.operations) > self.sockets.limits.operations:
            raise Fault("RATE_LIMITED", f"a socket carries at most {self.sockets.limits.operations} operations at once")
        (plan,) = await running.admit([asked_of(payload)], viewer)
        if not isinstance(plan, Plan):
            raise plan
        if plan.kind is OperationType.SUBSCRIPTION:
            follow = running.engine.follow(plan, lambda: running.contexts.make(viewer, request_id))
            async with contextlib.aclosing(follow) as bodies:
                async for body in bodies:
                    await self._send({"id": name, "type": "next", "payload": body})
        elif self.form is not None and plan.defers:
            async with contextlib.aclosing(running.parts(plan, viewer, request_id, self.form)) as parts:
                async for part in parts:
                    await self._send({"id": name, "type": "next", "payload": part})
        else:
            await self._send({"id": name, "type": "next", "payload": await running.answer(plan, viewer, request_id)})
        await self._complete(name)

    async def _complete(self, name: str) -> None:
        # From now on the client may use the id again.
        self.operations.pop(name, None)
        await self._send({"id": name, "type": "complete"})

    async def _refuse(self, name: str, errors: Sequence[GraphQLError], request_id: str) -> None:
        self.operations.pop(name, None)
        await self._send({"id": name, "type": "error", "payload": [told(error, request_id) for error in errors]})

    async def _watch(self) -> None:
        """End a socket that does not say who it is, whose token is over, or whose reader is gone."""
        try:
            async with asyncio.timeout(self.sockets.limits.init_s):
                await self.acknowledged.wait()
        except TimeoutError:
            raise _Close(INIT_TIMEOUT, "Connection initialisation timeout") from None
        assert self.viewer is not None
        while True:
            await asyncio.sleep(self.sockets.streams.wait_s(self.viewer))
            try:
                # What is asked from now on is asked by whom the token stands for now.
                self.viewer = await self.sockets.streams.renewed(self.viewer)
            except Fault as fault:
                raise _Close(FORBIDDEN, f"{fault.code}: {fault.message}") from fault
            await self._send({"type": "ping"})

    async def _send(self, message: Mapping[str, Any]) -> None:
        # A reader that takes nothing stops its operations here, one message each; after a while it is dropped.
        async with asyncio.timeout(self.sockets.streams.stall_s), self.sending:
            await self.socket.send_text(orjson.dumps(message).decode())


def _object_of(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Close(BAD_MESSAGE, "messages are JSON objects") from None
    if not isinstance(message, dict):
        raise _Close(BAD_MESSAGE, "messages are JSON objects")
    return message


def _id_of(message: dict[str, Any]) -> str:
    name = message.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= MOST_ID:
        raise _Close(BAD_MESSAGE, "an operation has an id, a string")
    return name
