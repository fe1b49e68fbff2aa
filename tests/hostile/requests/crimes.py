"""What is tried on a whole system, by name, with the answer that each gets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devstack.client import Api, ApiError, new_request_id
from mesh.grants import GrantKind
from tests.e2e.stage import FEED
from tests.hostile.requests.raw import say
from tests.hostile.requests.scene import Scene

Answer = tuple[int, str]
"""Status and code; the status is 0 for what GraphQL refuses by code alone."""


@dataclass(frozen=True, slots=True)
class Crime:
    """One attempt."""

    commit: Callable[[Scene], Awaitable[Answer]]
    answer: Answer


def _told(answer: httpx.Response) -> Answer:
    if "json" not in answer.headers.get("content-type", ""):
        return answer.status_code, ""
    body = answer.json()
    return answer.status_code, str(body["code"] if "code" in body else body["errors"][0]["extensions"]["code"])


def mutating(who: Callable[[Scene], Api], name: str, selection: str, values: Callable[[Scene], dict[str, Any]], code: str) -> Crime:
    """A mutation that is refused."""

    async def commit(scene: Scene) -> Answer:
        try:
            await who(scene).mutate(name, f"{name[0].upper()}{name[1:]}Input", selection, **values(scene))
        except ApiError as error:
            return 0, error.code
        return 200, ""

    return Crime(commit, (0, code))


def creator(scene: Scene) -> Api:
    """The owner of everything."""
    return scene.creator


def viewer(scene: Scene) -> Api:
    """Somebody who was shown the clip."""
    return scene.viewer


def thief(scene: Scene) -> Api:
    """Somebody signed in who owns nothing."""
    return scene.thief


def paging(who: Callable[[Scene], Api], cursor: Callable[[Scene], str], code: str = "BAD_CURSOR") -> Crime:
    """A page that begins where nobody said."""

    async def commit(scene: Scene) -> Answer:
        try:
            await who(scene).query(FEED, first=1, after=cursor(scene))
        except ApiError as error:
            return 0, error.code
        return 200, ""

    return Crime(commit, (0, code))


def watching(who: Callable[[Scene], Api], view_token: Callable[[Scene], str]) -> Crime:
    """A view with a token that was not given for it."""

    async def commit(scene: Scene) -> Answer:
        outcome = await who(scene).report_watch(view_token(scene), watched_ms=5_000, event_id=new_request_id())
        return 0, outcome

    return Crime(commit, (0, "BAD_TOKEN"))


def asking(authorization: Callable[[Scene], str]) -> Crime:
    """A token that is no good."""

    async def commit(scene: Scene) -> Answer:
        headers = {"authorization": f"Bearer {authorization(scene)}"}
        return _told(await scene.http.post("/graphql", json={"query": "{ me { email } }"}, headers=headers))

    return Crime(commit, (401, "UNAUTHENTICATED"))


def putting(
    status: int,
    code: str,
    *,
    link: Callable[[Scene], str] = lambda scene: scene.links[1],
    body: Callable[[Scene], bytes] = lambda scene: scene.parts[1],
    method: str = "PUT",
    **headers: str,
) -> Crime:
    """A body for a link."""

    async def commit(scene: Scene) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return _told(await scene.http.request(method, link(scene), content=body(scene), headers=named))

    return Crime(commit, (status, code))


def spelling(status: int, code: str, target: Callable[[Scene], str], *fields: str, body: str = "", method: str = "GET") -> Crime:
    """A request line and fields exactly as they are written."""

    async def commit(scene: Scene) -> Answer:
        head = "\r\n".join([f"{method} {target(scene)} HTTP/1.1", "Host: a", *fields, "Connection: close", "", body])
        said = await say(scene.port, [head.encode("latin-1")], silence_s=5.0)
        assert said.ended
        told = said.bytes.rpartition(b"\r\n\r\n")[2]
        assert len(said.bytes) < 8 * 1024 or said.statuses[0] in {200, 206}
        return said.statuses[0], said.code if told.startswith(b"{") else ""

    return Crime(commit, (status, code))


def playing(status: int, code: str, path: Callable[[Scene], str] = lambda scene: scene.file, **headers: str) -> Crime:
    """A path under the clip's own grant."""
    fields = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return spelling(status, code, lambda scene: f"/m/{scene.grant}/{path(scene)}", *fields)


def _flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _token_of(scene: Scene, **claims: Any) -> str:
    """The thief's token with other claims and the old signature."""
    head, body, signature = scene.thief.token.split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps(said | claims).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def _unsigned(scene: Scene) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{head}.{scene.thief.token.split('.')[1]}."


STRANGE_KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
START = {"sizeBytes": "1000", "mimeType": "video/mp4"}

UPLOADS: Mapping[str, Crime] = {
    "completing another's upload": mutating(
        thief, "completeUpload", "upload { id }", lambda s: {"uploadId": s.half["id"]}, "UPLOAD_NOT_FOUND"
    ),
    "aborting another's upload": mutating(thief, "abortUpload", "upload { id }", lambda s: {"uploadId": s.half["id"]}, "UPLOAD_NOT_FOUND"),
    "links of another's upload": mutating(
        thief, "signUploadParts", "parts { url }", lambda s: {"uploadId": s.half["id"], "partNumbers": [2]}, "UPLOAD_NOT_FOUND"
    ),
    "links of part 0": mutating(
        creator, "signUploadParts", "parts { url }", lambda s: {"uploadId": s.half["id"], "partNumbers": [0]}, "INVALID_REQUEST"
    ),
    "links of a part past the last": mutating(
        creator,
        "signUploadParts",
        "parts { url }",
        lambda s: {"uploadId": s.half["id"], "partNumbers": [len(s.parts) + 1]},
        "PART_OUT_OF_RANGE",
    ),
    "links of a thousand parts": mutating(
        creator, "signUploadParts", "parts { url }", lambda s: {"uploadId": s.half["id"], "partNumbers": [1] * 1_000}, "INVALID_REQUEST"
    ),
    "links after completion": mutating(
        creator, "signUploadParts", "parts { url }", lambda s: {"uploadId": s.done["id"], "partNumbers": [1]}, "UPLOAD_NOT_OPEN"
    ),
    "aborting after completion": mutating(creator, "abortUpload", "upload { id }", lambda s: {"uploadId": s.done["id"]}, "UPLOAD_NOT_OPEN"),
    "completing with a part missing": mutating(
        creator, "completeUpload", "upload { id }", lambda s: {"uploadId": s.half["id"]}, "MISSING_PARTS"
    ),
    "an upload by nobody": mutating(
        lambda s: s.nobody,
        "startUpload",
        "upload { id }",
        lambda s: START | {"requestId": new_request_id()},
        "UNAUTHENTICATED",
    ),
    "an upload of minus one bytes": mutating(
        creator, "startUpload", "upload { id }", lambda s: START | {"requestId": new_request_id(), "sizeBytes": "-1"}, "INVALID_REQUEST"
    ),
    "publishing another's clip": mutating(
        thief,
        "publishVideo",
        "video { id }",
        lambda s: {"requestId": new_request_id(), "videoId": s.video_id, "caption": "mine now"},
        "VIDEO_NOT_FOUND",
    ),
    "deleting another's clip": mutating(thief, "deleteVideo", "deletedVideoId", lambda s: {"videoId": s.video_id}, "VIDEO_NOT_FOUND"),
    "deciding a review as anybody": mutating(
        thief,
        "decideReview",
        "review { id }",
        lambda s: {"reviewId": s.video_id, "decision": "ALLOW", "reason": "x"},
        "FORBIDDEN",
    ),
}

LINKS: Mapping[str, Crime] = {
    "a part one byte too long": putting(413, "BODY_SIZE_MISMATCH", body=lambda s: s.parts[1] + b"x"),
    "a part one byte too short": putting(400, "BODY_SIZE_MISMATCH", body=lambda s: s.parts[1][:-1]),
    "a part of nothing": putting(400, "BODY_SIZE_MISMATCH", body=lambda s: b""),
    "a part whose checksum is another's": putting(
        400, "CHECKSUM_MISMATCH", content_md5=base64.b64encode(hashlib.md5(b"other").digest()).decode()
    ),
    "a part after completion": putting(404, "UPLOAD_NOT_FOUND", link=lambda s: s.old_link, body=lambda s: s.parts[0]),
    "a link for another part": putting(403, "LINK_INVALID", link=lambda s: s.links[1].replace("part=2", "part=3")),
    "a link for another upload": putting(403, "LINK_INVALID", link=lambda s: s.links[1].replace(s.half["id"], s.video_id)),
    "a link that lasts longer": putting(403, "LINK_INVALID", link=lambda s: s.links[1].replace("expires=", "expires=9")),
    "a link of which a letter is another": putting(403, "LINK_INVALID", link=lambda s: _flipped(s.links[1], -5)),
    "a link read": putting(405, "METHOD_NOT_ALLOWED", method="GET"),
    "a link deleted": putting(405, "METHOD_NOT_ALLOWED", method="DELETE"),
    "a link with dots": spelling(
        403, "LINK_INVALID", lambda s: s.links[1].replace("/upload/", "/upload/x/../"), "Content-Length: 0", method="PUT"
    ),
    "a link with two slashes": spelling(
        403, "LINK_INVALID", lambda s: s.links[1].replace("/upload/", "/upload//"), "Content-Length: 0", method="PUT"
    ),
    "a link without a length": spelling(
        411, "LENGTH_REQUIRED", lambda s: s.links[1], "Transfer-Encoding: chunked", body="0\r\n\r\n", method="PUT"
    ),
}

TOKENS: Mapping[str, Crime] = {
    "a token of another person": asking(lambda s: _token_of(s, sub="1")),
    "a token with more roles": asking(lambda s: _token_of(s, roles=["moderator", "admin"])),
    "a token that lasts longer": asking(lambda s: _token_of(s, exp=4_000_000_000)),
    "a token without signature": asking(_unsigned),
    "a token of ten thousand letters": asking(lambda s: "x" * 10_000),
    "a cursor of another's feed": paging(thief, lambda s: s.cursor),
    "a cursor of which a letter is another": paging(viewer, lambda s: _flipped(s.cursor, len(s.cursor) // 2)),
    "half a cursor": paging(viewer, lambda s: s.cursor[: len(s.cursor) // 2]),
    "a cursor of ten thousand letters": paging(viewer, lambda s: "A" * 10_000, "BAD_USER_INPUT"),
    "a cursor that is a grant": paging(viewer, lambda s: s.grant),
    "a view with another's token": watching(thief, lambda s: s.view_token),
    "a view with a token of which a letter is another": watching(viewer, lambda s: _flipped(s.view_token, len(s.view_token) // 2)),
    "a view with a grant": watching(viewer, lambda s: s.grant),
}

GRANTS: Mapping[str, Crime] = {
    "a grant of which a letter is another": spelling(403, "GRANT_INVALID", lambda s: f"/m/{_flipped(s.grant, 30)}/{s.file}"),
    "a grant of a stranger's making": spelling(403, "GRANT_INVALID", lambda s: f"/m/{s.signed(key=STRANGE_KEY)}/{s.file}"),
    "a grant that is over": spelling(403, "GRANT_EXPIRED", lambda s: f"/m/{s.signed(left_ms=-120_000)}/{s.file}"),
    "a grant that never ends": spelling(403, "GRANT_INVALID", lambda s: f"/m/{s.signed(left_ms=10**10)}/{s.file}"),
    "a grant for pictures": spelling(404, "NOT_FOUND", lambda s: f"/m/{s.signed(kind=GrantKind.IMAGES)}/{s.file}"),
    "a grant of ten thousand letters": spelling(403, "GRANT_INVALID", lambda s: f"/m/{'A' * 10_000}/{s.file}"),
    "the file as it was sent": playing(400, "PATH_NOT_ALLOWED", lambda s: f"../../raw/{s.video_id}"),
    "escaped dots": playing(400, "PATH_NOT_ALLOWED", lambda s: f"%2e%2e/%2e%2e/raw/{s.video_id}"),
    "doubly escaped dots": playing(400, "PATH_NOT_ALLOWED", lambda s: f"%252e%252e/raw/{s.video_id}"),
    "a NUL": playing(400, "PATH_NOT_ALLOWED", lambda s: f"{s.file}%00.jpg"),
    "two slashes": playing(400, "PATH_NOT_ALLOWED", lambda s: f"/{s.file}"),
    "a file of the machine": playing(400, "PATH_NOT_ALLOWED", lambda s: "//etc/passwd"),
    "the clip by the name of another server": spelling(400, "AMBIGUOUS_REQUEST", lambda s: f"http://evil.example{s.mp4}"),
    "the clip by our own name": spelling(200, "", lambda s: f"http://a{s.mp4}"),
    "the clip by another method": spelling(405, "METHOD_NOT_ALLOWED", lambda s: s.mp4, method="DELETE"),
    "a range up to all there is": playing(206, "", range="bytes=0-99999999999999999999999"),
    "a range past all there is": playing(416, "RANGE_NOT_SATISFIABLE", range="bytes=99999999999999999999999-"),
    "a range of the last no bytes": playing(416, "RANGE_NOT_SATISFIABLE", range="bytes=-0"),
    "a range that ends before it begins": playing(200, "", range="bytes=9-1"),
    "a thousand ranges": playing(200, "", range="bytes=" + ",".join(["0-0"] * 1_000)),
    "ten thousand ranges": playing(431, "HEAD_TOO_LARGE", range="bytes=" + ",".join(["0-0"] * 10_000)),
    "two ranges on two lines": spelling(400, "AMBIGUOUS_REQUEST", lambda s: s.mp4, "Range: bytes=0-0", "Range: bytes=1-"),
    "a range of apples": playing(200, "", range="apples=0-1"),
}

CRIMES: Mapping[str, Crime] = {**UPLOADS, **LINKS, **TOKENS, **GRANTS}
