"""What processing tells of a video's bytes: every step may be told twice, in any process, and changes the row once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clipmesh.video.v1 import events_pb2

from mesh.errors import Aborted
from svc_video.videos.changes import Decide, Telling, VideoChanges
from svc_video.videos.progress import ProgressBoard
from svc_video.videos.renditions import RenditionRows
from svc_video.videos.rules import plays
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import HASH_BYTES, Finding, MediaFacts, MediaState, ProcessingStage, RenditionFacts, Video

MAX_FACTS_BYTES = 16 * 1024
MAX_HASHES = 64
MAX_DETAIL_CHARACTERS = 300
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedMedia:
    """What the probe job found."""

    duration_ms: int
    width: int
    height: int
    has_audio: bool
    facts_json: str
    source_sha256: bytes
    recipe_version: str
    output_prefix: str
    has_waveform: bool
    renditions: tuple[RenditionFacts, ...]
    """What the recipe makes, the first one first."""

    def __post_init__(self) -> None:
        if len(self.facts_json.encode()) > MAX_FACTS_BYTES:
            raise ValueError(f"facts_json has more than {MAX_FACTS_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMedia:
    """What the pictures job saw and made."""

    perceptual_hashes: tuple[bytes, ...]
    """32 bytes each, at most 64, the most telling first."""
    findings: tuple[Finding, ...]
    classified: bool
    """True when a moderation classifier looked."""
    has_preview: bool
    """There are a poster and a preview."""
    has_storyboard: bool

    def __post_init__(self) -> None:
        if len(self.perceptual_hashes) > MAX_HASHES or any(len(value) != HASH_BYTES for value in self.perceptual_hashes):
            raise ValueError(f"perceptual_hashes are at most {MAX_HASHES} hashes of {HASH_BYTES} bytes")


class MediaActions:
    """Moves the media state machine; each call answers the row as it stands afterwards.

    When the answered video `is_over` (deleted or failed) nothing was changed, and its jobs are to be closed.
    """

    def __init__(self, *, store: VideoStore, changes: VideoChanges, progress: ProgressBoard) -> None:
        self._store = store
        self._renditions = RenditionRows(store=store)
        self._changes = changes
        self._progress = progress

    async def get(self, video_id: int) -> Video | None:
        """The video whoever may see it, or None."""
        return await self._store.get(video_id)

    async def facts_of(self, video_id: int) -> MediaFacts | None:
        """What processing found so far, or None before the probe."""
        return await self._store.facts_of(video_id)

    async def begin_processing(self, video_id: int, *, size_bytes: int) -> Video:
        """All bytes are durable: UPLOADING -> PROCESSING with UploadCompleted in the same write. Raises VideoNotFound."""

        def decide(video: Video) -> Video | None:
            waits = video.media_state is MediaState.UPLOADING and not video.is_over
            return replace(video, media_state=MediaState.PROCESSING) if waits else None

        def telling(_: Video, after: Video) -> events_pb2.UploadCompleted:
            return events_pb2.UploadCompleted(video_id=after.video_id, creator_id=after.creator_id, size_bytes=size_bytes)

        return await self._moved(video_id, decide, telling)

    async def media_probed(self, video_id: int, probed: ProbedMedia) -> Video:
        """The file is good: keep its facts and show length and size. Raises VideoNotFound."""

        def facts(before: MediaFacts) -> MediaFacts:
            return replace(
                before,
                facts_json=probed.facts_json,
                source_sha256=probed.source_sha256,
                recipe_version=probed.recipe_version,
                output_prefix=probed.output_prefix,
                has_waveform=probed.has_waveform,
            )

        def decide(video: Video) -> Video | None:
            if video.is_over or video.probed:
                return None
            return replace(
                video,
                duration_ms=probed.duration_ms,
                width=probed.width,
                height=probed.height,
                has_audio=probed.has_audio,
                probed=True,
                unseen=True,
            )

        video = await self._store.get(video_id)
        if video is not None and not video.is_over and not video.probed:
            await self._renditions.plan(video_id, probed.renditions)
            await self._change_facts(video_id, facts)
        return await self._changes.apply(video_id, decide)

    async def media_seen(self, video_id: int, seen: SeenMedia) -> Video:
        """Hashes, findings and pictures are there; from here on the gate can be asked. Raises VideoNotFound."""

        def facts(before: MediaFacts) -> MediaFacts:
            return replace(
                before,
                perceptual_hashes=b"".join(seen.perceptual_hashes),
                findings_json=json.dumps([[finding.name, finding.score] for finding in seen.findings]),
                classified=seen.classified,
                has_preview=seen.has_preview,
                has_storyboard=seen.has_storyboard,
            )

        video = await self._store.get(video_id)
        if video is not None and not video.is_over:
            await self._change_facts(video_id, facts)
        return await self._changes.apply(
            video_id, lambda now: replace(now, unseen=False) if now.probed and now.unseen and not now.is_over else None
        )

    async def began_to_grow(self, video_id: int, *, growing_prefix: str) -> Video:
        """The beginning plays for the creator alone while the rest is made; no state moves. Raises VideoNotFound."""
        video = await self._changes.apply(video_id, lambda _: None)
        if video.media_state is MediaState.PROCESSING and not video.is_over:
            await self._change_facts(video_id, lambda facts: replace(facts, growing_prefix=growing_prefix))
        return video

    async def became_playable(
        self, video_id: int, *, renditions: Sequence[RenditionFacts], audio_key: str, output_prefix: str = ""
    ) -> Video:
        """The first rendition plays: PROCESSING -> PLAYABLE; public at once when the gate has allowed it.

        `output_prefix` says where, when that is not where its probe said. A clip that plays already and was made once more plays from there from now
        on, its further renditions once they are told. Raises VideoNotFound.
        """

        def there(facts: MediaFacts) -> MediaFacts:
            prefix = output_prefix or facts.output_prefix
            codecs = facts.codec_ladder if prefix == facts.output_prefix else ""
            return replace(facts, ladder=_ladder(renditions), audio_key=audio_key, output_prefix=prefix, codec_ladder=codecs)

        video = await self._store.get(video_id)
        if video is not None and not video.is_over:
            moves = plays(video) and await self._is_elsewhere(video_id, output_prefix)
            if moves or video.media_state is MediaState.PROCESSING:
                await self._renditions.ready(video_id, renditions)
                await self._change_facts(video_id, there)
            if moves:
                await self._renditions.plan_again(video_id, but=renditions)

        def decide(video: Video) -> Video | None:
            waits = video.media_state is MediaState.PROCESSING and not video.is_over
            return replace(video, media_state=MediaState.PLAYABLE) if waits else None

        return await self._moved(video_id, decide)

    async def _is_elsewhere(self, video_id: int, output_prefix: str) -> bool:
        facts = await self._store.facts_of(video_id)
        return facts is not None and bool(output_prefix) and facts.output_prefix != output_prefix

    async def became_complete(self, video_id: int, *, renditions: Sequence[RenditionFacts]) -> Video:
        """Nothing more will be made: PLAYABLE -> COMPLETE. `renditions` are those that play, the first rendition first; a later try may bring
        more of them. Raises VideoNotFound."""
        video = await self._store.get(video_id)
        if video is not None and not video.is_over and video.media_state in {MediaState.PLAYABLE, MediaState.COMPLETE}:
            await self._renditions.ready(video_id, renditions)
            await self._renditions.give_up(video_id)
            await self._change_facts(
                video_id,
                lambda facts: replace(facts, ladder=_ladder(renditions)) if len(renditions) > len(facts.rendition_names) else facts,
            )

        def decide(video: Video) -> Video | None:
            waits = video.media_state is MediaState.PLAYABLE and not video.is_over
            return replace(video, media_state=MediaState.COMPLETE) if waits else None

        return await self._moved(video_id, decide)

    async def in_further_codecs(self, video_id: int, *, renditions: Sequence[RenditionFacts]) -> Video:
        """These renditions play beside the ladder for players that know their codecs; no state moves. Raises VideoNotFound."""
        video = await self._changes.apply(video_id, lambda _: None)
        if plays(video) and not video.is_over:
            await self._renditions.ready(video_id, renditions)
            await self._change_facts(video_id, lambda facts: replace(facts, codec_ladder=_ladder(renditions)))
        return video

    async def media_failed(self, video_id: int, *, reason: str, detail: str, redoable: bool = False) -> Video:
        """The bytes are refused or cannot be processed: FAILED with its named reason, MediaFailed in the same write, bytes purged soon after,
        or kept for a while when the failure says nothing about them (`redoable`).

        A clip that plays already stays as it is: it lacks further renditions, nothing else. Raises VideoNotFound.
        """

        def decide(video: Video) -> Video | None:
            if video.is_over or video.media_state not in {MediaState.UPLOADING, MediaState.PROCESSING}:
                return None
            return replace(
                video,
                media_state=MediaState.FAILED,
                failure_code=reason,
                failure_detail=detail[:MAX_DETAIL_CHARACTERS],
                redoable=redoable,
            )

        def telling(before: Video, after: Video) -> events_pb2.MediaFailed | None:
            if before.media_state is MediaState.UPLOADING:
                return None
            return events_pb2.MediaFailed(video_id=after.video_id, creator_id=after.creator_id, reason=reason)

        video = await self._store.get(video_id)
        if video is not None and decide(video) is not None:
            await self._renditions.give_up(video_id)
        return await self._moved(video_id, decide, telling)

    async def begin_again(self, video_id: int) -> Video:
        """A video that failed for a reason that is not in its bytes is made once more: FAILED -> PROCESSING while they are kept.

        Raises VideoNotFound.
        """

        def decide(video: Video) -> Video | None:
            if video.media_state is not MediaState.FAILED or not video.keeps_source:
                return None
            return replace(video, media_state=MediaState.PROCESSING, failure_code="", failure_detail="", redoable=False)

        before = await self._store.get(video_id)
        if before is not None and decide(before) is not None:
            # What had grown went when the video failed.
            await self._change_facts(video_id, lambda facts: replace(facts, growing_prefix=""))
        return await self._moved(video_id, decide)

    def report_progress(self, video_id: int, *, stage: ProcessingStage, percent: int) -> None:
        """Note how far processing is, 0 to 100 over the whole of it; never blocks, never falls."""
        self._progress.report(video_id, stage=stage, percent=percent)

    async def _moved(self, video_id: int, decide: Decide, telling: Telling | None = None) -> Video:
        video = await self._changes.apply(video_id, decide, telling=telling)
        self._progress.moved(video)
        return video

    async def _change_facts(self, video_id: int, change: Callable[[MediaFacts], MediaFacts]) -> None:
        for _ in range(_ATTEMPTS):
            before = await self._store.facts_of(video_id) or MediaFacts(video_id=video_id)
            after = change(before)
            if after == before or await self._store.write_facts(after):
                return
        raise Aborted("media facts change too fast; try again", video_id=video_id)


def _ladder(renditions: Sequence[RenditionFacts]) -> str:
    return " ".join(rendition.name for rendition in renditions)
