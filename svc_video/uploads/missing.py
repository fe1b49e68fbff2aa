"""From the rows to the bucket: finds clips whose rows name bytes that the store does not have."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping

from mesh.stores.blobs.port import BlobDamaged, BlobNotFound, Blobs
from mesh.telemetry import Telemetry
from svc_video.layout import (
    POSTER_NAME,
    PREVIEW_NAME,
    STORYBOARD_NAME,
    STORYBOARD_SHEET_NAME,
    WAVEFORM_NAME,
    images_prefix,
    published_names,
    raw_key,
)
from svc_video.lengths import segments_of
from svc_video.uploads.metrics import MISSING, SWEEP_HELD, Lost
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import Upload, UploadState
from svc_video.videos.actions import MediaActions, MediaFacts, MediaState, Video, VideoActions

_log = logging.getLogger("clipmesh.video")

MOST_LOST = 20
"""When more clips than this, and more than half of a page, miss bytes, it is the store that is the wrong one or away, and no clip is failed."""
ROWS_A_PASS = 5_000
"""How many sessions one pass looks at; the next one goes on from there."""
_AT_ONCE = 8
_SENTENCE = "The file that was sent is not in the store any more."
_UNPLAYED = frozenset({MediaState.UPLOADING, MediaState.PROCESSING})
_PLAYED = frozenset({MediaState.PLAYABLE, MediaState.COMPLETE})


class MissingBytes:
    """Compares every completed session with the objects of its clip."""

    def __init__(self, *, store: UploadStore, blobs: Blobs, videos: VideoActions, media: MediaActions, telemetry: Telemetry) -> None:
        self._store = store
        self._blobs = blobs
        self._videos = videos
        self._media = media
        self._telemetry = telemetry
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._cursor = ""
        self._found: Counter[Lost] = Counter()
        self._held = False

    async def look(self) -> None:
        """Look at the next sessions; once all were seen, tell how many clips miss what."""
        seen = 0
        while seen < ROWS_A_PASS:
            page = await self._store.walk(after=self._cursor)
            await self._look_at({upload.upload_id: upload for upload in page.rows if upload.state is UploadState.COMPLETED})
            seen += len(page.rows)
            self._cursor = page.next
            if not self._cursor:
                for what in Lost:
                    self._telemetry.set(MISSING, self._found[what], what=what)
                self._telemetry.set(SWEEP_HELD, float(self._held), way="rows")
                self._found, self._held = Counter(), False
                return

    async def _look_at(self, uploads: Mapping[int, Upload]) -> None:
        videos = await self._videos.get_many(list(uploads))
        facts = await self._videos.facts_of_many([video.video_id for video in videos.values() if video.media_state in _PLAYED])
        lost: dict[int, set[Lost]] = {}

        async def look(video: Video) -> None:
            async with self._slots:
                if missing := await self._missing(uploads[video.video_id], video, facts.get(video.video_id)):
                    lost[video.video_id] = missing

        async with asyncio.TaskGroup() as group:
            for video in videos.values():
                if not video.is_over:
                    group.create_task(look(video))
        # Whose bytes were just removed because it is over misses nothing.
        now = await self._videos.get_many(list(lost))
        lost = {video_id: missing for video_id, missing in lost.items() if video_id in now and not now[video_id].is_over}
        held = len(lost) > MOST_LOST and len(lost) * 2 > len(uploads)
        self._held |= held
        for video_id, missing in lost.items():
            self._found.update(missing)
            _log.error("bytes of a clip are missing", extra={"video_id": video_id, "reason": " ".join(sorted(missing))})
            if Lost.SOURCE in missing and now[video_id].media_state in _UNPLAYED and not held:
                await self._media.media_failed(video_id, reason=Lost.SOURCE, detail=_SENTENCE)

    async def _missing(self, upload: Upload, video: Video, facts: MediaFacts | None) -> set[Lost]:
        missing: set[Lost] = set()
        if not await self._has(raw_key(video.video_id), size_bytes=upload.size_bytes):
            missing.add(Lost.SOURCE)
        if facts is None or video.media_state not in _PLAYED:
            return missing
        names = (*facts.rendition_names, *facts.codec_names)
        published = published_names(names, segments=segments_of(video.duration_ms), has_audio=bool(facts.audio_key))
        # A list tells what is there, not whether it is damaged: what every player needs is looked at itself.
        needed = [f"{facts.output_prefix}master.m3u8", *(f"{facts.output_prefix}{name}.mp4" for name in facts.rendition_names[:1])]
        if not (await self._names_below(facts.output_prefix) >= set(published) and all([await self._has(key) for key in needed])):
            missing.add(Lost.PLAYBACK)
        if facts.audio_key and not await self._has(facts.audio_key):
            missing.add(Lost.AUDIO)
        if not await self._names_below(images_prefix(video.video_id)) >= set(_pictures(facts)):
            missing.add(Lost.PICTURES)
        return missing

    async def _names_below(self, prefix: str) -> set[str]:
        found: set[str] = set()
        cursor = ""
        while True:
            page = await self._blobs.list(prefix, after=cursor)
            found.update(blob.key.removeprefix(prefix) for blob in page.blobs if blob.size_bytes)
            cursor = page.next
            if not cursor:
                return found

    async def _has(self, key: str, *, size_bytes: int | None = None) -> bool:
        try:
            info = await self._blobs.head(key)
        except (BlobNotFound, BlobDamaged):
            return False
        return size_bytes is None or info.size_bytes == size_bytes


def _pictures(facts: MediaFacts) -> Iterator[str]:
    if facts.has_preview:
        yield from (POSTER_NAME, PREVIEW_NAME)
    if facts.has_storyboard:
        yield from (STORYBOARD_NAME, STORYBOARD_SHEET_NAME)
    if facts.has_waveform:
        yield WAVEFORM_NAME
