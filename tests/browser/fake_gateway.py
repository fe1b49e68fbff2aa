"""A gateway without services behind it: the real pages and the real schema's SDL, answered from a world that a test holds in its hands."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import secrets
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from graphql import GraphQLError, GraphQLSchema, build_schema, graphql, parse, subscribe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway import pages
from gateway.execution.manifest import page_documents
from tests.browser.fake_media import grown
from tests.browser.fake_people import FACES
from tests.browser.fake_root import Root, password_fits
from tests.browser.fake_world import World

SDL = Path(pages.__file__).with_name("schema.graphql")
LISTED = frozenset(text for _, text in page_documents())
"""What a gateway lets pages ask that takes listed documents alone (CLIPMESH_GRAPHQL_ALLOWED=pages): everything else they ask would fail there."""
GRACE_S = 10.0
"""How long a refresh token that was spent is taken once more, for an answer that was lost."""
TYPES = {
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".vtt": "text/vtt",
    ".webp": "image/webp",
}


class FakeGateway:
    """Serves one world at a time."""

    def __init__(self, *, media: Path) -> None:
        self._media = media
        self._schema: GraphQLSchema = build_schema(SDL.read_text())
        # Answers in pieces need another executor, and pages do not ask for them.
        self._schema.directives = tuple(one for one in self._schema.directives if one.name not in {"defer", "stream"})
        self._codes: dict[str, str] = {}
        self._refresh: dict[str, str] = {}
        self._spent: dict[str, tuple[str, float]] = {}
        self.world = World(media=tuple(sorted(path.name for path in media.iterdir())))
        self.origin = ""
        self.sockets: set[WebSocket] = set()

    def fresh_world(self) -> World:
        """An empty world in the place of the old one."""
        self.world = World(media=self.world.media)
        return self.world

    def code_for(self, handle: str) -> str:
        """An authorization code that is good for one exchange."""
        code = secrets.token_urlsafe(8)
        self._codes[code] = handle
        return code

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[FakeGateway]:
        """Listen on a free port until the block ends."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
            server = uvicorn.Server(
                uvicorn.Config(self._app(), log_level="error", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1)
            )
            server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                await asyncio.sleep(0.01)
            try:
                yield self
            finally:
                server.should_exit = True
                await task

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/graphql", self._graphql, methods=["POST"]),
                WebSocketRoute("/graphql", self._socket),
                Route("/oauth/authorize", self._form, methods=["GET"]),
                Route("/oauth/authorize", self._authorize, methods=["POST"]),
                Route("/oauth/token", self._token, methods=["POST"]),
                Route("/oauth/revoke", self._revoke, methods=["POST"]),
                Route("/upload/{upload}/{part:int}", self._part, methods=["PUT"]),
                Route("/m/{path:path}", self._file, methods=["GET"]),
                Route(f"/{FACES}/{{part:int}}", self._face, methods=["GET"]),
                *pages.routes(),
            ]
        )

    def _viewer(self, authorization: str) -> str:
        return authorization.removeprefix("Bearer access-").partition("-")[0] if authorization else ""

    async def _graphql(self, request: Request) -> Response:
        body = await request.json()
        assert body["query"] in LISTED, body["query"]
        self.world.calls.append((body["operationName"], body["variables"]))
        root = Root(self.world, self._viewer(request.headers.get("authorization", "")))
        result = await graphql(self._schema, body["query"], root_value=root, variable_values=body["variables"])
        return JSONResponse(result.formatted, media_type="application/graphql-response+json")

    async def _socket(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol="graphql-transport-ws")
        running: dict[str, asyncio.Task[None]] = {}
        self.sockets.add(socket)
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await socket.receive_json()
                match message["type"]:
                    case "connection_init":
                        await socket.send_json({"type": "connection_ack"})
                    case "ping":
                        await socket.send_json({"type": "pong"})
                    case "subscribe":
                        running[message["id"]] = asyncio.create_task(self._follow(socket, message["id"], message["payload"]))
                    case "complete" if message["id"] in running:
                        running.pop(message["id"]).cancel()
        self.sockets.discard(socket)
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)

    async def _follow(self, socket: WebSocket, id: str, payload: dict[str, Any]) -> None:
        def field(root: World, info: Any, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
            match info.field_name:
                case "uploadProgress":
                    return root.states(arguments["uploadId"])
                case "videoCounters":
                    return root.counters(arguments["videoId"])
                case _:
                    return root.talk.follow(arguments.get("after"))

        assert payload["query"] in LISTED, payload["query"]
        begun = subscribe(
            self._schema,
            parse(payload["query"]),
            root_value=self.world,
            variable_values=payload["variables"],
            subscribe_field_resolver=field,
        )
        results = await begun if inspect.isawaitable(begun) else begun
        assert isinstance(results, AsyncIterator), results
        async for result in self._told(socket, id, results):
            await socket.send_json({"id": id, "type": "next", "payload": result.formatted})
            if self.world.rehearsed > 0:
                self.world.rehearsed -= 1
                await socket.close(1012)
                return
        await socket.send_json({"id": id, "type": "complete"})

    async def _told(self, socket: WebSocket, id: str, results: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The results; a refusal is told as the protocol wants it."""
        try:
            async for result in results:
                yield result
        except GraphQLError as error:
            await socket.send_json({"id": id, "type": "error", "payload": [error.formatted]})
            raise asyncio.CancelledError from error

    async def cut(self) -> None:
        """Close every socket, as a gateway does that goes away."""
        for one in list(self.sockets):
            await one.close(1012)

    async def _form(self, request: Request) -> Response:
        hidden = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in request.query_params.items())
        return HTMLResponse(pages.signin_page().replace("<!--hidden-->", hidden).replace("<!--error-->", "").replace("<!--login-->", ""))

    async def _authorize(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if not password_fits(self.world, form["login"], form["password"]):
            page = pages.signin_page().replace("<!--error-->", "That handle or e-mail and that password do not belong together.")
            hidden = "".join(
                f'<input type="hidden" name="{name}" value="{value}">' for name, value in form.items() if name not in {"login", "password"}
            )
            return HTMLResponse(page.replace("<!--hidden-->", hidden).replace("<!--login-->", form["login"]), status_code=401)
        code = self.code_for(form["login"])
        return RedirectResponse(f"{form['redirect_uri']}?{urlencode({'code': code, 'state': form['state']})}", status_code=303)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if form["grant_type"] == "authorization_code":
            handle = self._codes.pop(form.get("code", ""), None)
        else:
            handle = self._rotated(form.get("refresh_token", ""))
        if handle is None:
            self.world.refused_grants += 1
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        refresh = secrets.token_urlsafe(12)
        self._refresh[refresh] = handle
        await asyncio.sleep(self.world.token_delay_s)
        return JSONResponse(
            {
                "access_token": f"access-{handle}-{secrets.token_hex(4)}",
                "token_type": "Bearer",
                "expires_in": self.world.token_life_s,
                "refresh_token": refresh,
            }
        )

    def _rotated(self, token: str) -> str | None:
        """Whose the refresh token is; it is spent with that."""
        now = time.monotonic()
        handle = self._refresh.pop(token, None)
        if handle is not None:
            self._spent[token] = (handle, now)
            return handle
        of, spent_at = self._spent.get(token, ("", -GRACE_S))
        if now - spent_at > GRACE_S:
            return None
        self.world.repeated_grants += 1
        return of or None

    async def _revoke(self, request: Request) -> Response:
        token = dict(parse_qsl((await request.body()).decode()))["token"]
        self._refresh.pop(token, None)
        self.world.revoked.append(token)
        return Response(status_code=200)

    async def _part(self, request: Request) -> Response:
        content = await request.body()
        if self.world.broken_parts > 0:
            self.world.broken_parts -= 1
            return JSONResponse({"code": "LINK_EXPIRED"}, status_code=403, media_type="application/problem+json")
        self.world.parts[request.path_params["upload"]][request.path_params["part"]] = content
        return Response(status_code=200, headers={"etag": '"x"'})

    async def _face(self, request: Request) -> Response:
        return Response(self.world.parts[FACES][request.path_params["part"]], media_type="image/png")

    async def _file(self, request: Request) -> Response:
        path = self._media / request.path_params["path"]
        self.world.fetched.append(request.path_params["path"])
        headers = request.headers
        self.world.ranges.append((request.path_params["path"], headers.get("range", ""), headers.get("sec-fetch-dest", "")))
        if self.world.gone_suffix and path.name.endswith(self.world.gone_suffix):
            return JSONResponse({"code": "GRANT_EXPIRED"}, status_code=403)
        if path.name in {"growing.m3u8", "grows.m3u8"}:
            return Response(
                grown(path, self.world.grown_segments), media_type=TYPES[path.suffix], headers={"cache-control": "private, max-age=1"}
            )
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"cache-control": "private, max-age=600"})
