"""Looks at a running system as a client would: feed, playlists, segments, MP4 to the last frame, swiping, learning."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from devstack.client import Api, new_request_id
from svc_video.processing.media import check_mp4, check_tree, locate_tools

PLAYBACK = """query($first: Int!, $after: String) { forYou(first: $first, after: $after) {
  edges { cursor viewToken node { id state viewCount creator { handle } sound { id } playback {
    refusal masterPlaylistUrl startPlaylistUrl dashManifestUrl mp4Url posterUrl renditions } } }
  pageInfo { hasNextPage } servedBy } }"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a client looked at."""

    name: str
    ok: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


async def _run(name: str, check: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, True, await check())
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {error}")


class ClientChecks:
    """The checks of `demo --exit`, made by a viewer who is new to the system."""

    def __init__(self, *, viewer: Api, expected: frozenset[str]) -> None:
        self._viewer = viewer
        self._expected = expected

    async def all(self) -> list[Check]:
        """Every check in order; a failed one does not stop the rest."""
        return [
            await _run("every published clip is in the feed, none twice", self._swipe),
            await _run("HLS and DASH of one clip: every playlist and segment, decoded", self._tree),
            await _run("MP4 of every clip decodes to its last frame", self._mp4s),
            await _run("a range of an MP4 is answered with 206", self._range),
            await _run("a watched clip counts one view and leaves the next pages", self._watch),
            await _run("a changed playback link is refused", self._forged),
        ]

    async def _page(self, first: int, after: str | None = None) -> dict[str, Any]:
        page: dict[str, Any] = (await self._viewer.query(PLAYBACK, first=first, after=after))["forYou"]
        return page

    async def _everything(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await self._page(3, cursor)
            nodes += [edge["node"] for edge in page["edges"]]
            if not page["edges"] or not page["pageInfo"]["hasNextPage"] or len(nodes) > 500:
                return nodes
            cursor = page["edges"][-1]["cursor"]

    async def _swipe(self) -> str:
        seen = [node["id"] for node in await self._everything()]
        if len(seen) != len(set(seen)):
            raise AssertionError("a clip came twice")
        missing = self._expected - set(seen)
        if missing:
            raise AssertionError(f"{len(missing)} of {len(self._expected)} clips never came")
        return f"{len(seen)} clips"

    async def _download(self, url: str) -> bytes:
        answer = await self._viewer.fetch(url)
        if answer.status_code != 200:
            raise AssertionError(f"status {answer.status_code} for {url.rsplit('/', 1)[-1]}")
        return answer.content

    async def _tree(self) -> str:
        playback = (await self._everything())[0]["playback"]
        with tempfile.TemporaryDirectory(prefix="cm-check-") as temporary:
            problems, files = await self.tree_of(playback, Path(temporary))
        if problems:
            raise AssertionError("; ".join(problems[:3]))
        return f"{len(files)} files, renditions {playback['renditions']}"

    async def tree_of(self, playback: dict[str, Any], folder: Path) -> tuple[list[str], list[str]]:
        """Download everything that the playlists of one clip name, into `folder`; what is wrong with it, and the names of its files."""
        base = str(PurePosixPath(playback["masterPlaylistUrl"]).parent)
        waiting = [PurePosixPath(playback[name]).name for name in ("masterPlaylistUrl", "dashManifestUrl")]
        done: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in done:
                continue
            done.add(name)
            content = await self._download(f"{base}/{name}")
            await asyncio.to_thread(_store, folder / name, content)
            if name.endswith(".m3u8"):
                parent = PurePosixPath(name).parent
                waiting += [str(parent / reference) for reference in _references(content.decode())]
        return await check_tree(locate_tools(), folder), sorted(done)

    async def _mp4s(self) -> str:
        tools = locate_tools()
        nodes = await self._everything()
        with tempfile.TemporaryDirectory(prefix="cm-check-") as temporary:
            for node in nodes:
                file = Path(temporary) / f"{node['id']}.mp4"
                await asyncio.to_thread(_store, file, await self._download(node["playback"]["mp4Url"]))
                problems = await check_mp4(tools, file)
                if problems:
                    raise AssertionError("; ".join(problems[:3]))
        return f"{len(nodes)} files"

    async def _range(self) -> str:
        node = (await self._page(1))["edges"][0]["node"]
        answer = await self._viewer.fetch(node["playback"]["mp4Url"], start=0, end=1000)
        if answer.status_code != 206 or len(answer.content) != 1000:
            raise AssertionError(f"status {answer.status_code}, {len(answer.content)} bytes")
        return answer.headers["content-range"]

    async def _watch(self) -> str:
        edge = (await self._page(1))["edges"][0]
        before = int(edge["node"]["viewCount"])
        await asyncio.sleep(2.5)
        event_id = new_request_id()
        for expected in ("ACCEPTED", "DUPLICATE"):
            outcome = await self._viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=event_id)
            if outcome != expected:
                raise AssertionError(f"{outcome} instead of {expected}")
        video = await self._viewer.query("query($id: ID!) { video(id: $id) { viewCount } }", id=edge["node"]["id"])
        after = int(video["video"]["viewCount"])
        if after != before + 1:
            raise AssertionError(f"{before} views before, {after} after")
        if edge["node"]["id"] in {node["id"] for node in await self._everything()}:
            raise AssertionError("the watched clip came again")
        return f"{before} -> {after} views"

    async def _forged(self) -> str:
        edges = (await self._page(1))["edges"]
        url = edges[0]["node"]["playback"]["mp4Url"]
        grant = url.split("/")[2]
        middle = len(grant) // 2
        forged = grant[:middle] + ("A" if grant[middle] != "A" else "B") + grant[middle + 1 :]
        answer = await self._viewer.fetch(url.replace(grant, forged))
        if answer.status_code != 403:
            raise AssertionError(f"status {answer.status_code}")
        return str(answer.json().get("code"))


def _store(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _references(playlist: str) -> list[str]:
    found = []
    for line in playlist.splitlines():
        if line and not line.startswith("#"):
            found.append(line)
        elif 'URI="' in line:
            found.append(line.split('URI="', 1)[1].split('"', 1)[0])
    return found
