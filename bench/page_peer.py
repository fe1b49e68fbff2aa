"""The other process of the page bench: serves videos and people, and asks for pages when it is told to; `python -m bench.page_peer`.

It prints one JSON line with the addresses of its services, then one for each line that it reads: {"port", "path", "body", "requests"}.
It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from typing import Any

import orjson

from bench.page_world import social_services, video_services
from mesh.testing.rpc import serve

_READ_S = 30.0


async def main() -> None:
    """Until the input ends."""
    async with serve(*video_services(), service="video") as video, serve(*social_services(), service="social") as social:
        _say({"video": video.address, "social": social.address})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await _ask(**json.loads(line)))


async def _ask(*, port: int, path: str, body: str, requests: int) -> dict[str, Any]:
    """Ask one after another on one connection; how often which answer came."""
    content = body.encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\naccept: application/json\r\n"
    message = f"{head}content-length: {len(content)}\r\n\r\n".encode() + content
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers: dict[str, int] = {}
    try:
        async with asyncio.timeout(_READ_S + requests):
            for _ in range(requests):
                writer.write(message)
                answer = await _answer(reader)
                answers[answer] = answers.get(answer, 0) + 1
    finally:
        writer.close()
    return {"answers": answers}


async def _answer(reader: asyncio.StreamReader) -> str:
    """A word that is equal for equal data, whatever else the answer holds."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:"))
    body = await reader.readexactly(length)
    if not head.startswith("http/1.1 200"):
        return f"{head.splitlines()[0]} {body[:200]!r}"
    data = orjson.dumps(orjson.loads(body).get("data"), option=orjson.OPT_SORT_KEYS)
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
