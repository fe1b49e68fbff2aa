"""A clip through the tus door of the real system, whose gateway is killed in the middle."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from mesh.testing.folders import socket_folder
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, finished, until

PART_BYTES = 16_384


@pytest.mark.timeout(240)
async def test_a_clip_comes_through_tus_though_the_gateway_dies_under_it(clip: Path, engines: Engines) -> None:
    part = max(PART_BYTES, engines.least_part_bytes)
    content = engines.in_parts(clip.read_bytes(), part)
    with socket_folder() as folder:
        stage = Stage.at(folder, engines=engines, **engines.small_parts(part))
        await stage.system.start()
        try:
            creator, viewer = await stage.person("tess"), await stage.person("vera")
            headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {creator.token}"}
            async with httpx.AsyncClient(base_url=stage.system.layout.origin, timeout=30.0) as http:
                where = await _created(http, headers, content)

                async def offset() -> int | None:
                    try:
                        answer = await http.head(where, headers=headers)
                    except httpx.TransportError:
                        return None
                    return int(answer.headers["upload-offset"]) if answer.status_code == 200 else None

                async def first_part_is_there() -> bool:
                    return (await offset() or 0) >= part

                async def half_of_it() -> AsyncIterator[bytes]:
                    yield content[: part + part // 2]
                    await until(first_part_is_there, what="the first part is durable")
                    stage.system.children["gateway"].kill()
                    yield content[part + part // 2 :]

                sending = {**headers, "Content-Type": "application/offset+octet-stream"}
                with pytest.raises(httpx.TransportError):
                    await http.patch(where, content=half_of_it(), headers={**sending, "Upload-Offset": "0"})
                assert await until(offset, what="the gateway is back") == part

                async def sent() -> httpx.Response | None:
                    answer = await http.patch(where, content=content[part:], headers={**sending, "Upload-Offset": str(part)})
                    # The lock of the gateway that died ends by itself.
                    return None if answer.status_code == 423 else answer

                answer = await until(sent, what="nobody else writes")
                assert answer is not None
                assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(content)))
            video = where.rpartition("/")[2]
            await creator.publish(video, caption="through the other door", hashtags=["tus"])
            last = await finished(creator, video)
            assert last["stage"] == "DONE", last
            await stage.state(creator, video, "READY")
            await stage.in_feed(viewer, video)
        finally:
            await stage.close()


async def _created(http: httpx.AsyncClient, headers: dict[str, str], content: bytes) -> str:
    told = {"filetype": "video/mp4", "sha256": hashlib.sha256(content).hexdigest(), "request_id": "once"}
    metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())
    answer = await http.post("/tus", headers={**headers, "Upload-Length": str(len(content)), "Upload-Metadata": metadata})
    assert answer.status_code == 201, answer.text
    where: str = answer.headers["location"]
    return where
