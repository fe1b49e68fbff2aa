"""What a player does before its first picture: master playlist, playlists of its tracks, init segments, first segments, one picture decoded."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import urljoin

from bench import plain
from devstack.client import Api
from svc_video.processing.media import MediaTools

_VARIANT = re.compile(r"#EXT-X-STREAM-INF:[^\n]*\n([^\n#]+)")
_SOUND = re.compile(r'#EXT-X-MEDIA:[^\n]*TYPE=AUDIO[^\n]*URI="([^"]+)"')
_MAP = re.compile(r'#EXT-X-MAP:URI="([^"]+)"')
_SEGMENT = re.compile(r"#EXTINF:[^\n]*\n([^\n#]+)")


class DoesNotPlay(Exception):
    """A playlist, or what it names, was not there."""


async def first_picture(api: Api, tools: MediaTools, master_url: str, folder: Path) -> None:
    """Return when the first picture of a master playlist is decoded and its first sound is there. Raises DoesNotPlay, PlainToolFailed."""
    master = (await _fetched(api, master_url)).decode()
    tracks = [*_VARIANT.findall(master)[:1], *_SOUND.findall(master)]
    beginnings = await asyncio.gather(*(_beginning(api, urljoin(master_url, track)) for track in tracks))
    if not beginnings:
        raise DoesNotPlay(f"{master_url} names no rendition")
    path = folder / "beginning.mp4"
    await asyncio.to_thread(path.write_bytes, beginnings[0])
    await plain.run([tools.ffmpeg, "-v", "error", "-i", path, "-frames:v", "1", "-f", "null", "-"], folder=folder)


async def _beginning(api: Api, playlist_url: str) -> bytes:
    """The init segment and the first one."""
    playlist = (await _fetched(api, playlist_url)).decode()
    names = [found[1] for pattern in (_MAP, _SEGMENT) if (found := pattern.search(playlist))]
    if len(names) != 2:
        raise DoesNotPlay(f"{playlist_url} names no segment")
    return b"".join(await asyncio.gather(*(_fetched(api, urljoin(playlist_url, name)) for name in names)))


async def _fetched(api: Api, url: str) -> bytes:
    answer = await api.fetch(url)
    if not answer.is_success:
        raise DoesNotPlay(f"{url} answers {answer.status_code}")
    return answer.content
