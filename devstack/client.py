"""A client of the public API: signs in with PKCE, queries, subscribes, uploads; knows nothing that a stranger could not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import mimetypes
import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from websockets.asyncio.client import connect

CLIENT_ID = "clipmesh-web"
CALL_S = 30.0
PARTS_AT_ONCE = 4
MIME_TYPES = {".mkv": "video/x-matroska", ".mov": "video/quicktime", ".webm": "video/webm", ".mp4": "video/mp4", ".avi": "video/x-msvideo"}

UPLOAD_FIELDS = "id state partSizeBytes partCount stage progressPercent playable failureCode failureDetail"
ERRORS = "userErrors { code message field details { name value } }"


class ApiError(Exception):
    """The API refused; `code` is its word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(slots=True)
class Api:
    """One client of one gateway, signed in as one person or nobody."""

    origin: str
    token: str = ""
    _http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self._http = httpx.AsyncClient(base_url=self.origin, timeout=CALL_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def query(self, document: str, **variables: Any) -> dict[str, Any]:
        """Run a query or mutation. Raises ApiError for the first error."""
        answer = await self._http.post("/graphql", json={"query": document, "variables": variables}, headers=self._headers())
        body = answer.json()
        if body.get("errors"):
            first = body["errors"][0]
            raise ApiError(first.get("extensions", {}).get("code", "INTERNAL"), first["message"])
        data: dict[str, Any] = body["data"]
        return data

    async def mutate(self, name: str, input_type: str, selection: str, **values: Any) -> dict[str, Any]:
        """Run one mutation that takes `input` and answers `userErrors`. Raises ApiError for the first of them."""
        document = f"mutation($input: {input_type}!) {{ {name}(input: $input) {{ {selection} {ERRORS} }} }}"
        payload: dict[str, Any] = (await self.query(document, input=values))[name]
        if payload["userErrors"]:
            first = payload["userErrors"][0]
            raise ApiError(first["code"], first["message"])
        return payload

    async def sign_up(self, handle: str, password: str, *, display_name: str, consents: list[str], request_id: str) -> None:
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
                birthDate="1995-05-05",
                displayName=display_name,
                consents=consents,
            )
        except ApiError as error:
            if error.code != "HANDLE_TAKEN":
                raise

    async def sign_in(self, login: str, password: str) -> None:
        """Authorization code with PKCE, as the pages do it."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect = f"{self.origin}/callback"
        form = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": secrets.token_urlsafe(8),
            "login": login,
            "password": password,
        }
        answer = await self._http.post("/oauth/authorize", data=form)
        location = parse_qs(urlsplit(answer.headers.get("location", "")).query)
        if answer.status_code not in {302, 303} or "code" not in location:
            raise ApiError("SIGN_IN_FAILED", f"{login}: status {answer.status_code}")
        tokens = await self._http.post(
            "/oauth/token",
            data={
                "grant_type": "authorization_code",
                "code": location["code"][0],
                "code_verifier": verifier,
                "client_id": CLIENT_ID,
                "redirect_uri": redirect,
            },
        )
        if tokens.status_code != httpx.codes.OK:
            raise ApiError("SIGN_IN_FAILED", f"{login}: {tokens.text[:200]}")
        self.token = tokens.json()["access_token"]

    async def upload(self, file: Path, *, request_id: str, sent: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Upload a file by presigned parts; `sent` hears of the bytes that arrived. Repeatable: parts that arrived are not sent again."""
        size = (await asyncio.to_thread(file.stat)).st_size
        mime = MIME_TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        begun = await self.mutate(
            "startUpload",
            "StartUploadInput",
            f"upload {{ {UPLOAD_FIELDS} receivedParts {{ partNumber sizeBytes }} }}",
            requestId=request_id,
            sizeBytes=str(size),
            mimeType=mime,
            sha256=await asyncio.to_thread(_sha256, file),
        )
        upload: dict[str, Any] = begun["upload"]
        if upload["state"] != "OPEN":
            return upload
        have = {part["partNumber"] for part in upload["receivedParts"]}
        missing = [number for number in range(1, upload["partCount"] + 1) if number not in have]
        sent(sum(part["sizeBytes"] for part in upload["receivedParts"]))
        gate = asyncio.Semaphore(PARTS_AT_ONCE)
        for start in range(0, len(missing), 50):
            signed = await self.mutate(
                "signUploadParts",
                "SignUploadPartsInput",
                "parts { partNumber url sizeBytes }",
                uploadId=upload["id"],
                partNumbers=missing[start : start + 50],
            )
            async with asyncio.TaskGroup() as group:
                for part in signed["parts"]:
                    group.create_task(self._put_part(file, part, upload["partSizeBytes"], gate, sent))
        done = await self.mutate("completeUpload", "CompleteUploadInput", f"upload {{ {UPLOAD_FIELDS} }}", uploadId=upload["id"])
        completed: dict[str, Any] = done["upload"]
        return completed

    async def _put_part(
        self, file: Path, part: dict[str, Any], part_size: int, gate: asyncio.Semaphore, sent: Callable[[int], None]
    ) -> None:
        async with gate:
            content = await asyncio.to_thread(_read, file, (part["partNumber"] - 1) * part_size, part["sizeBytes"])
            answer = await self._http.put(part["url"], content=content)
            if answer.status_code not in {200, 201, 204}:
                raise ApiError("PART_REFUSED", answer.text[:200])
            sent(part["sizeBytes"])

    async def publish(self, video_id: str, *, caption: str, hashtags: list[str], category: str = "UNSPECIFIED") -> dict[str, Any]:
        """Publish a draft to everyone."""
        payload = await self.mutate(
            "publishVideo",
            "PublishVideoInput",
            "video { id state }",
            requestId=f"publish-{video_id}",
            videoId=video_id,
            caption=caption,
            hashtags=hashtags,
            category=category,
            visibility="PUBLIC",
        )
        video: dict[str, Any] = payload["video"]
        return video

    async def progress(self, upload_id: str) -> AsyncIterator[dict[str, Any]]:
        """States of an upload as the subscription tells them, until processing is over."""
        address = self.origin.replace("http", "ws", 1) + "/graphql"
        async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"type": "connection_init", "payload": self._headers()}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            document = f"subscription($id: ID!) {{ uploadProgress(uploadId: $id) {{ {UPLOAD_FIELDS} }} }}"
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": document, "variables": {"id": upload_id}}}))
            async for text in socket:
                message = json.loads(text)
                match message["type"]:
                    case "ping":
                        await socket.send(json.dumps({"type": "pong"}))
                    case "next":
                        body = message["payload"]
                        if body.get("errors"):
                            raise ApiError("SUBSCRIPTION", body["errors"][0]["message"])
                        yield body["data"]["uploadProgress"]
                    case "error":
                        raise ApiError("SUBSCRIPTION", message["payload"][0]["message"])
                    case "complete":
                        return

    async def fetch(self, path: str, *, start: int | None = None, end: int | None = None) -> httpx.Response:
        """GET a path of the gateway, or bytes [start, end) of it."""
        headers = {"range": f"bytes={start}-{'' if end is None else end - 1}"} if start is not None else {}
        return await self._http.get(path, headers=headers)


def new_request_id() -> str:
    """A request id that nobody used before."""
    return str(uuid.uuid4())


def _read(file: Path, start: int, size: int) -> bytes:
    with file.open("rb") as content:
        content.seek(start)
        return content.read(size)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
