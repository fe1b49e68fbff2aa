"""A client of the public API: queries, mutations, uploads, the progress subscription; knows nothing that a stranger could not.

It outlasts a restart of what it talks to: every call that it repeats carries a request id or is idempotent by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from devstack.client import files, identity
from devstack.client.connections import connections
from devstack.client.errors import PATIENCE_S, ApiError, Patience, fault, refused, unreachable

CALL_S = 30.0
PARTS_AT_ONCE = 4
UPLOAD_TURNS = 3
"""How often the parts of a file are sent before it is given up that its store keeps losing them."""
UPLOAD_FIELDS = "id state partSizeBytes partCount stage progressPercent playable failureCode failureDetail"
ERRORS = "userErrors { code message field retryable details { name value } }"
_OVER = frozenset({"DONE", "FAILED"})
_TOKEN_NO_GOOD = 4403
"""Close code of a socket whose token expired."""


@dataclass(slots=True)
class Api:
    """One client of one gateway, signed in as one person or nobody."""

    origin: str
    token: str = ""
    patience_s: float = PATIENCE_S
    _refresh_token: str = ""
    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self._http = connections(self.origin, timeout_s=CALL_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def query(self, document: str, **variables: Any) -> dict[str, Any]:
        """Run a query or mutation. Raises ApiError for the first error."""
        patience = Patience(self.patience_s)
        while True:
            token = self.token
            try:
                return await self._ask(document, variables)
            except ApiError as error:
                await self._renew_or_wait(error, token, patience)

    async def _ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._http.post("/graphql", json={"query": document, "variables": variables}, headers=self._headers())
        except httpx.TransportError as error:
            raise unreachable(error) from error
        try:
            body = answer.json()
        except ValueError as error:
            raise refused("INTERNAL", answer, "no JSON") from error
        if body.get("errors"):
            raise fault(body["errors"][0])
        if "data" not in body:
            raise refused(str(body.get("code", "INTERNAL")), answer, "no data")
        data: dict[str, Any] = body["data"]
        return data

    async def _renew_or_wait(self, error: ApiError, used: str, patience: Patience) -> None:
        """Return when asking again makes sense, with a fresh token when the old one was refused; raise `error` else."""
        if error.code != "UNAUTHENTICATED" or not self._refresh_token:
            await patience.wait_or_raise(error)
            return
        async with self._refreshing:
            if self.token != used:
                return
            try:
                tokens = await identity.renew(self._http, self._refresh_token)
            except ApiError as refusal:
                await patience.wait_or_raise(refusal)
            else:
                self.token, self._refresh_token = tokens.access, tokens.refresh

    async def mutate(self, name: str, input_type: str, selection: str, **values: Any) -> dict[str, Any]:
        """Run one mutation that takes `input` and answers `userErrors`. Raises ApiError for the first of them."""
        document = f"mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} {ERRORS} }} }}"
        patience = Patience(self.patience_s)
        while True:
            payload: dict[str, Any] = (await self.query(document, input=values))[name]
            if not payload["userErrors"]:
                return payload
            first = payload["userErrors"][0]
            await patience.wait_or_raise(ApiError(first["code"], first["message"], field=".".join(first["field"] or [])))

    async def sign_up(
        self, handle: str, password: str, *, display_name: str, consents: list[str], request_id: str, birth_date: str = "1995-05-05"
    ) -> None:
        """Make an account; one that exists already is fine."""
        try:
            await self.mutate(
                "signUp",
                "SignUpInput",
                "user { id }",
                requestId=request_id,
                handle=handle,
                email=f"{handle}@example.com",
                password=password,
                birthDate=birth_date,
                displayName=display_name,
                consents=consents,
            )
        except ApiError as error:
            if error.code != "HANDLE_TAKEN":
                raise

    async def sign_in(self, login: str, password: str) -> None:
        """Act as this person from now on. Raises ApiError."""
        patience = Patience(self.patience_s)
        while True:
            try:
                tokens = await identity.sign_in(self._http, self.origin, login, password)
            except ApiError as error:
                await patience.wait_or_raise(error)
            else:
                self.token, self._refresh_token = tokens.access, tokens.refresh
                return

    async def start_upload(self, file: Path, *, request_id: str) -> dict[str, Any]:
        """Open a session for a file; the same request id finds the same session again."""
        begun = await self.mutate(
            "startUpload",
            "StartUploadInput",
            f"upload {{ {UPLOAD_FIELDS} receivedParts {{ partNumber sizeBytes }} }}",
            requestId=request_id,
            sizeBytes=str((await asyncio.to_thread(file.stat)).st_size),
            mimeType=files.mime_type(file),
            sha256=await asyncio.to_thread(files.sha256, file),
        )
        upload: dict[str, Any] = begun["upload"]
        return upload

    async def upload(self, file: Path, *, request_id: str, sent: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Upload a file by presigned parts; `sent` hears of the bytes that arrived. Repeatable: parts that arrived are not sent again."""
        for turn in range(1, UPLOAD_TURNS + 1):
            upload = await self.start_upload(file, request_id=request_id)
            if upload["state"] != "OPEN":
                break
            await self.send_parts(file, upload, sent=sent)
            try:
                return await self.complete_upload(upload["id"])
            except ApiError as error:
                # The store lost what it had taken: the session says what is missing now.
                if error.code != "MISSING_PARTS" or turn == UPLOAD_TURNS:
                    raise
        return upload

    async def send_parts(self, file: Path, upload: dict[str, Any], *, sent: Callable[[int], None] = lambda _: None) -> None:
        """Send the parts that did not arrive yet."""
        have = {part["partNumber"] for part in upload["receivedParts"]}
        missing = [number for number in range(1, upload["partCount"] + 1) if number not in have]
        sent(sum(part["sizeBytes"] for part in upload["receivedParts"]))
        gate = asyncio.Semaphore(PARTS_AT_ONCE)

        async def send(part: dict[str, Any]) -> None:
            async with gate:
                start = (part["partNumber"] - 1) * upload["partSizeBytes"]
                await self._put_part(part, await asyncio.to_thread(files.read, file, start, part["sizeBytes"]))
            sent(part["sizeBytes"])

        for at in range(0, len(missing), 50):
            selection = "parts { partNumber url sizeBytes }"
            numbers = missing[at : at + 50]
            signed = await self.mutate("signUploadParts", "SignUploadPartsInput", selection, uploadId=upload["id"], partNumbers=numbers)
            async with asyncio.TaskGroup() as group:
                for part in signed["parts"]:
                    group.create_task(send(part))

    async def _put_part(self, part: dict[str, Any], content: bytes) -> None:
        patience = Patience(self.patience_s)
        while True:
            try:
                answer = await self._http.put(part["url"], content=content)
            except httpx.TransportError as lost:
                await patience.wait_or_raise(unreachable(lost))
                continue
            if answer.status_code in {200, 201, 204}:
                return
            await patience.wait_or_raise(refused("PART_REFUSED", answer, f"part {part['partNumber']}"))

    async def complete_upload(self, upload_id: str) -> dict[str, Any]:
        """Say that every part is there; from the answer on the clip will be processed, whatever happens."""
        done = await self.mutate("completeUpload", "CompleteUploadInput", f"upload {{ {UPLOAD_FIELDS} }}", uploadId=upload_id)
        completed: dict[str, Any] = done["upload"]
        return completed

    async def publish(
        self, video_id: str, *, caption: str, hashtags: list[str], category: str = "UNSPECIFIED", visibility: str = "PUBLIC"
    ) -> dict[str, Any]:
        """Publish a draft, to everyone unless `visibility` says else."""
        payload = await self.mutate(
            "publishVideo",
            "PublishVideoInput",
            "video { id state }",
            requestId=f"publish-{video_id}",
            videoId=video_id,
            caption=caption,
            hashtags=hashtags,
            category=category,
            visibility=visibility,
        )
        video: dict[str, Any] = payload["video"]
        return video

    async def report_watch(self, view_token: str, *, watched_ms: int, event_id: str) -> str:
        """Report one watch; the outcome's word. The same `event_id` counts once."""
        report = {
            "eventId": event_id,
            "viewToken": view_token,
            "watchedMs": watched_ms,
            "loops": 0,
            "paused": False,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        payload = await self.mutate("reportWatch", "ReportWatchInput", "outcomes", reports=[report])
        return str(payload["outcomes"][0])

    async def progress(self, upload_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """States of an upload as the subscription tells them, until processing is over; a lost connection is made again."""
        patience = Patience(self.patience_s)
        while True:
            token = self.token
            try:
                async with aclosing(self._subscribe(upload_id)) as states:
                    async for state in states:
                        patience = Patience(self.patience_s)
                        yield state
                        if state["stage"] in _OVER:
                            return
                error = ApiError("UNREACHABLE", "the subscription ended early")
            except ConnectionClosed as closed:
                error = (
                    ApiError("UNAUTHENTICATED", str(closed))
                    if closed.rcvd is not None and closed.rcvd.code == _TOKEN_NO_GOOD
                    else unreachable(closed)
                )
            except (OSError, WebSocketException) as lost:
                error = unreachable(lost)
            except ApiError as told:
                error = told
            await self._renew_or_wait(error, token, patience)

    async def _subscribe(self, upload_id: str) -> AsyncGenerator[dict[str, Any], None]:
        address = self.origin.replace("http", "ws", 1) + "/graphql"
        async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": self._headers()}))
            acknowledged = json.loads(await socket.recv())
            if acknowledged["type"] != "connection_ack":
                raise ApiError("UNREACHABLE", f"{acknowledged['type']} instead of connection_ack")
            document = f"subscription($id: ID!) {{ uploadProgress(uploadId: $id) {{ {UPLOAD_FIELDS} }} }}"
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": document, "variables": {"id": upload_id}}}))
            async for text in socket:
                message = json.loads(text)
                match message["type"]:
                    case "ping":
                        await socket.send(json.dumps({"type": "pong"}))
                    case "next":
                        if message["payload"].get("errors"):
                            raise fault(message["payload"]["errors"][0])
                        yield message["payload"]["data"]["uploadProgress"]
                    case "error":
                        raise fault(message["payload"][0])
                    case "complete":
                        return

    async def fetch(self, path: str, *, start: int | None = None, end: int | None = None) -> httpx.Response:
        """GET a path of the gateway, or bytes [start, end) of it."""
        headers = {"range": f"bytes={start}-{'' if end is None else end - 1}"} if start is not None else {}
        patience = Patience(self.patience_s)
        while True:
            try:
                return await self._http.get(path, headers=headers)
            except httpx.TransportError as error:
                await patience.wait_or_raise(unreachable(error))
