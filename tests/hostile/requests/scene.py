"""A whole system with a creator, a thief, a public clip and uploads in every state: what the crimes are tried on."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devstack.client import Api, new_request_id
from devstack.system import Mode
from mesh.grants import Grant, GrantKind, sign_grant
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage

PART_BYTES = 65_536
SETTINGS = {"CLIPMESH_UPLOAD_PART_BYTES": str(PART_BYTES), "CLIPMESH_UPLOAD_MAX_BYTES": "100000000"}


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a thief may know, and what nobody should."""

    stage: Stage
    http: httpx.AsyncClient
    creator: Api
    viewer: Api
    thief: Api
    nobody: Api
    """Not signed in."""
    video_id: str
    mp4: str
    """Path of the clip, with its grant."""
    cursor: str
    """Of the viewer's feed."""
    view_token: str
    """Of the viewer."""
    done: dict[str, Any]
    """The upload of the clip, completed."""
    old_link: str
    """A link of that upload from before it was completed."""
    half: dict[str, Any]
    """An upload of which the first part was sent."""
    links: list[str]
    """Links of its first two parts."""
    parts: list[bytes]
    """Contents of all parts."""

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return self.stage.system.layout.port

    @property
    def grant(self) -> str:
        """The grant that the feed gave for the clip."""
        return self.mp4.split("/m/")[1].split("/")[0]

    @property
    def file(self) -> str:
        """The path of the clip under its grant."""
        return self.mp4.split(self.grant + "/")[1]

    def signed(self, *, key: Ed25519PrivateKey | None = None, left_ms: int = 600_000, **changes: Any) -> str:
        """A grant with the true key of whoever signs them, unless another is given."""
        if key is None:
            keys = json.loads((self.stage.folder / "run" / "secrets" / "video.json").read_text())
            key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(keys["private_key"]))
        values: dict[str, Any] = {"video_id": int(self.video_id), "epoch": 1, "prefix": f"video/{self.video_id}/", "kind": GrantKind.MEDIA}
        return sign_grant(Grant(**values | changes, expires_at_ms=int(time.time() * 1000) + left_ms), sign=key.sign)

    def kept(self) -> tuple[dict[str, int], list[str]]:
        """How many rows each table of the video service has, and every object with its size."""
        rows = {}
        with closing(sqlite3.connect(f"file:{self.stage.folder}/tables/video.db?mode=ro", uri=True)) as tables:
            for (name,) in tables.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                rows[name] = int(tables.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])
        root = self.stage.folder / "blobs"
        return rows, sorted(f"{path.relative_to(root)} {path.stat().st_size}" for path in root.rglob("*") if path.is_file())

    def connections(self) -> int:
        """TCP connections at the gateway's port, as the kernel counts them."""
        local = f":{self.port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(columns[1].endswith(local) and columns[3] in {"01", "08"} for columns in lines)


@asynccontextmanager
async def scene(clip: Path) -> AsyncIterator[Scene]:
    """The scene set, quiet."""
    with socket_folder() as folder:
        stage = Stage.at(folder, first_lives=None, **SETTINGS)
        stage.system.mode = Mode.SINGLE
        await stage.system.start()
        try:
            async with httpx.AsyncClient(base_url=stage.system.layout.origin, timeout=20.0) as http:
                yield await _set(stage, clip, http)
        finally:
            await stage.close()


async def _set(stage: Stage, clip: Path, http: httpx.AsyncClient) -> Scene:
    creator, viewer, thief = [await stage.person(handle) for handle in ("greta", "vera", "tess")]
    nobody = stage.people["nobody"] = Api(stage.system.layout.origin, patience_s=0)
    content = await asyncio.to_thread(clip.read_bytes)
    parts = [content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES)]
    whole = await creator.start_upload(clip, request_id=new_request_id())
    links = await links_of(creator, whole["id"], list(range(1, len(parts) + 1)))
    # The last part first, and one of them twice, with other bytes the first time.
    assert (await http.put(links[0], content=bytes(len(parts[0])))).status_code == 200
    for link, part in reversed(list(zip(links, parts, strict=True))):
        assert (await http.put(link, content=part)).status_code == 200
    done = await creator.complete_upload(whole["id"])
    await creator.publish(whole["id"], caption="mine", hashtags=["test"])
    await stage.state(creator, whole["id"], "READY")
    edge = await stage.in_feed(viewer, whole["id"])
    half = await creator.start_upload(clip, request_id=new_request_id())
    first = await links_of(creator, half["id"], [1, 2])
    assert (await http.put(first[0], content=parts[0])).status_code == 200
    await stage.quiet()
    return Scene(
        stage=stage,
        http=http,
        creator=creator,
        viewer=viewer,
        thief=thief,
        nobody=nobody,
        video_id=whole["id"],
        mp4=edge["node"]["playback"]["mp4Url"],
        cursor=edge["cursor"],
        view_token=edge["viewToken"],
        done=done,
        old_link=links[0],
        half=half,
        links=first,
        parts=parts,
    )


async def links_of(api: Api, upload_id: str, numbers: list[int]) -> list[str]:
    """Signed links of parts."""
    signed = await api.mutate("signUploadParts", "SignUploadPartsInput", "parts { url }", uploadId=upload_id, partNumbers=numbers)
    return [part["url"] for part in signed["parts"]]
