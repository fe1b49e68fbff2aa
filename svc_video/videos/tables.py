"""Persisted nouns of videos: the guarded Video with both state machines, its media facts, the creator's list and work that waits."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, ClusteringDescending, Guard, Partition, table


class MediaState(enum.IntEnum):
    """How far the bytes are; the numbers are those of the proto."""

    UNSPECIFIED = 0
    UPLOADING = 1
    PROCESSING = 2
    PLAYABLE = 3
    COMPLETE = 4
    FAILED = 5


class PublicationState(enum.IntEnum):
    """How far publication is; the numbers are those of the proto."""

    UNSPECIFIED = 0
    DRAFT = 1
    ASSESSING = 2
    IN_REVIEW = 3
    PUBLISHED = 4
    REJECTED = 5
    RESTRICTED = 6
    TAKEN_DOWN = 7
    DELETED = 8


class VideoState(enum.IntEnum):
    """The one word shown to people, never stored; the numbers are those of the proto."""

    UNSPECIFIED = 0
    UPLOADING = 1
    PROCESSING = 2
    DRAFT = 3
    ASSESSING = 4
    IN_REVIEW = 5
    READY = 6
    RESTRICTED = 7
    REJECTED = 8
    TAKEN_DOWN = 9
    FAILED = 10
    DELETED = 11


class Visibility(enum.IntEnum):
    """Whom the creator shows a video to; the numbers are those of the proto."""

    UNSPECIFIED = 0
    PUBLIC = 1
    FRIENDS = 2
    FOLLOWERS = 3
    ONLY_ME = 4


class ProcessingStage(enum.IntEnum):
    """What a person is shown while a clip is made playable; the numbers are those of the proto."""

    UNSPECIFIED = 0
    QUEUED = 1
    PROBING = 2
    ENCODING_FIRST = 3
    ENCODING_REST = 4
    DONE = 5
    FAILED = 6


@table("videos", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One clip: words, whom it is shown to, and two state machines on one row."""

    video_id: Partition[int]
    creator_id: int = 0
    media_state: MediaState = MediaState.UPLOADING
    publication_state: PublicationState = PublicationState.DRAFT
    caption: str = ""
    hashtags: str = ""
    """Folded tags joined by one space, in the order given; a tag has no spaces."""
    category: int = 0
    language: str = ""
    visibility: Visibility = Visibility.PUBLIC
    allow_comments: bool = True
    allow_duet: bool = True
    allow_stitch: bool = True
    allow_download: bool = False
    duration_ms: int = 0
    width: int = 0
    height: int = 0
    has_audio: bool = False
    probed: bool = False
    """True from the moment the media facts are written."""
    unseen: bool = False
    """True from the probe until hashes and findings are written: the gate is not asked without them."""
    sound_id: int = 0
    sound_asked: bool = False
    """True from the moment an original sound may exist: from then on the audio is the sound's and outlives the video."""
    created_at_ms: int = 0
    published_at_ms: int = 0
    """When it first became public; 0 means never."""
    publication_version: int = 0
    """Grows with every publication that needs a verdict of its own; verdicts of older ones publish nothing."""
    verdict_version: int = 0
    """Version of the last verdict that was applied."""
    epoch: int = 1
    """Grants and permits of smaller epochs are over."""
    failure_code: str = ""
    failure_detail: str = ""
    redoable: bool = False
    """The video failed for a reason that is not in its bytes, which are kept for a while, so that an operator may have it made once more."""
    publish_request: str = ""
    """request_id of the call that left DRAFT, so that its repeat is told apart from another publication."""
    applied_edits: str = ""
    """Operation ids of the last edits, so that the repeat of one is told apart from another edit."""
    version: int = 0

    @property
    def hashtag_list(self) -> tuple[str, ...]:
        """The hashtags one by one."""
        return tuple(self.hashtags.split())

    @property
    def is_over(self) -> bool:
        """True when nothing more will come of the bytes: deleted or failed."""
        return self.publication_state is PublicationState.DELETED or self.media_state is MediaState.FAILED

    @property
    def keeps_source(self) -> bool:
        """True while the creator's file may still be needed."""
        return not self.is_over or (self.redoable and self.publication_state is not PublicationState.DELETED)


@table("creator_videos", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorVideo:
    """One entry of a creator's list, newest first; written before its video, which alone says what may be shown."""

    creator_id: Partition[int]
    video_id: ClusteringDescending[int]
    version: int = 1


class RenditionState(enum.IntEnum):
    """How far one rendition is."""

    UNSPECIFIED = 0
    PLANNED = 1
    """The recipe makes it."""
    READY = 2
    """It plays."""
    MISSING = 3
    """It was given up; a later try may still bring it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenditionFacts:
    """One level of a video."""

    name: str
    """The rung of the ladder, also the name of its objects, for example 720p."""
    width: int
    height: int
    codec: str = ""
    """As playlists name it, for example avc1.64001f; empty until it is made."""
    bitrate_bps: int = 0
    """Of the picture, on average over the whole clip."""
    size_bytes: int = 0
    """Of all its segments."""

    @property
    def level(self) -> int:
        """The short side in pixels."""
        return min(self.width, self.height)


@table("renditions", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One rendition of a video; written before the video's own row says that it plays, so a row that is READY always plays."""

    video_id: Partition[int]
    name: Clustering[str]
    state: RenditionState = RenditionState.PLANNED
    width: int = 0
    height: int = 0
    codec: str = ""
    bitrate_bps: int = 0
    size_bytes: int = 0
    version: int = 0

    @property
    def facts(self) -> RenditionFacts:
        """What it is, without how far it is."""
        return RenditionFacts(
            name=self.name, width=self.width, height=self.height, codec=self.codec, bitrate_bps=self.bitrate_bps, size_bytes=self.size_bytes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact that detectors found, score 0 to 1."""

    name: str
    score: float


HASH_BYTES = 32


@table("media_facts", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What processing learned and made of a video's bytes."""

    video_id: Partition[int]
    facts_json: str = ""
    """Facts of the media toolbox, as it reads them back."""
    source_sha256: bytes = b""
    """Of the whole file that was probed; whatever is made of a video later has to be made of these bytes."""
    recipe_version: str = ""
    output_prefix: str = ""
    perceptual_hashes: bytes = b""
    """256-bit hashes of several frames, one after the other."""
    findings_json: str = "[]"
    classified: bool = False
    ladder: str = ""
    """Names of the renditions that play, joined by one space, the first one first. Their rows tell the rest: with the names at hand, those of
    a whole page of videos are read by their keys in one round trip."""
    codec_ladder: str = ""
    """Names of the renditions in further codecs that play beside them; players that know these codecs find them in the playlists."""
    audio_key: str = ""
    """Object of the extracted audio, for the sound that is made of it; empty without audio or not yet."""
    growing_prefix: str = ""
    """Where the playlist lies that grows while the first rendition is made; empty while there is none, of no meaning once the clip plays."""
    has_preview: bool = False
    """There are a poster and a preview."""
    has_storyboard: bool = False
    has_waveform: bool = False
    """The audio job makes one, which is there before the clip plays."""
    version: int = 0

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The perceptual hashes one by one."""
        return tuple(self.perceptual_hashes[at : at + HASH_BYTES] for at in range(0, len(self.perceptual_hashes), HASH_BYTES))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What detectors found."""
        return tuple(Finding(name=name, score=score) for name, score in json.loads(self.findings_json))

    @property
    def rendition_names(self) -> tuple[str, ...]:
        """The renditions that play, the first one first."""
        return tuple(self.ladder.split())

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The renditions in further codecs."""
        return tuple(self.codec_ladder.split())


class WorkKind(enum.StrEnum):
    """What remains to be done after a change of a video was acknowledged."""

    ASSESS = "assess"
    """Ask the gate about the publication as it is now."""
    REVOKE = "revoke"
    """List the video's epoch for the media edge."""
    SOUND = "sound"
    """Register the original sound."""
    PURGE = "purge"
    """Delete the bytes of a video that is over."""


@table("open_work", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """One piece of work that waits; written before the change that causes it, deleted when it is done."""

    kind: Partition[WorkKind]
    video_id: Clustering[int]
    since_ms: int = 0
    version: int = 0
    """The version of the video after the change that causes the work."""
    trace_context: str = ""
    """W3C traceparent of that change; empty means none."""


VIDEO_TABLES: tuple[type, ...] = (Video, CreatorVideo, MediaFacts, Rendition, OpenWork)
