"""What creators and viewers do with videos; the door through which the other areas meet this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.pages import PageTokens, clamp
from mesh.stores.tables.requests import RequestLog, is_applied, with_applied
from svc_video.people import STRANGER, People, Relation
from svc_video.videos.changes import VideoChanges
from svc_video.videos.errors import ChosenSoundNotSupported, VideoChangedMeanwhile, VideoNotDraft, VideoNotFound
from svc_video.videos.media import MediaActions, ProbedMedia, SeenMedia
from svc_video.videos.progress import Progress, ProgressBoard
from svc_video.videos.rules import Act, after_delete, after_words, check_visibility, may_see, permitted_acts, plays, visible
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import (
    Finding,
    MediaFacts,
    MediaState,
    ProcessingStage,
    PublicationState,
    RenditionFacts,
    RenditionState,
    Video,
    Visibility,
)
from svc_video.videos.text import clean_caption, clean_hashtags, clean_language
from svc_video.viewers import Viewer

__all__ = [
    "Edit",
    "Finding",
    "MediaActions",
    "MediaFacts",
    "MediaState",
    "ProbedMedia",
    "ProcessingStage",
    "Progress",
    "Publication",
    "PublicationState",
    "RenditionFacts",
    "SeenMedia",
    "Switches",
    "Video",
    "VideoActions",
    "Visibility",
    "may_see",
    "plays",
]

_SCANS_A_PAGE = 8
"""A list of which the viewer may see little answers a short page with a token after this many reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What a creator lets others do."""

    allow_comments: bool = True
    allow_duet: bool = True
    allow_stitch: bool = True
    allow_download: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a creator says of a draft when publishing it."""

    caption: str
    hashtags: tuple[str, ...]
    category: int
    language: str
    visibility: Visibility
    switches: Switches
    sound_id: int
    """A chosen sound of the catalogue; 0 means none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Fields that change; None leaves a field as it is."""

    caption: str | None = None
    hashtags: tuple[str, ...] | None = None
    category: int | None = None
    visibility: Visibility | None = None
    switches: Switches | None = None


class VideoActions:
    """Use cases of videos."""

    def __init__(
        self,
        *,
        store: VideoStore,
        changes: VideoChanges,
        progress: ProgressBoard,
        people: People,
        requests: RequestLog,
        tokens: PageTokens,
        next_id: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._store = store
        self._changes = changes
        self._progress = progress
        self._people = people
        self._requests = requests
        self._tokens = tokens
        self._next_id = next_id
        self._clock = clock

    async def open_draft(self, video_id: int, *, creator_id: int) -> Video:
        """The draft that belongs to an upload session, made when it is not there yet."""
        video = Video(video_id=video_id, creator_id=creator_id, created_at_ms=self._clock.now_ms())
        return await self._store.get(video_id) or await self._store.add(video)

    async def publish(self, viewer: Viewer, video_id: int, publication: Publication, *, request_id: str, body: bytes) -> Video:
        """Leave DRAFT for the gate. The same request id with the same body answers the video as it stands.

        Raises VideoNotFound, VideoNotDraft, ChosenSoundNotSupported, PublicNeedsAge, InvalidText, InvalidLanguage,
        RequestIdReused.
        """
        video = await self._own(viewer, video_id)
        if publication.sound_id:
            raise ChosenSoundNotSupported(sound_id=publication.sound_id)
        check_visibility(publication.visibility, is_under_16=viewer.is_under_16)
        caption, hashtags = clean_caption(publication.caption), clean_hashtags(publication.hashtags)
        language = clean_language(publication.language)

        def decide(video: Video) -> Video | None:
            if video.publish_request == request_id:
                return None
            if video.publication_state is not PublicationState.DRAFT or video.is_over:
                raise VideoNotDraft(video_id=video_id)
            return replace(
                _switched(after_words(video, caption=caption, hashtags=hashtags), publication.switches),
                publication_state=PublicationState.ASSESSING,
                publication_version=video.publication_version + 1,
                category=publication.category,
                language=language,
                visibility=publication.visibility,
                publish_request=request_id,
            )

        decide(video)
        await self._requests.claim(caller=viewer.user_id, method="PublishVideo", request_id=request_id, body=body, new_id=lambda: video_id)
        return await self._changes.apply(video_id, decide)

    async def update(self, viewer: Viewer, video_id: int, edit: Edit, *, expected_version: int, request_id: str, body: bytes) -> Video:
        """Change the fields that are given; `expected_version` 0 means whatever it is.

        The same request id with the same body changes nothing more and answers the video as it stands, whatever it became since.
        Raises VideoNotFound, VideoChangedMeanwhile, PublicNeedsAge, InvalidText, RequestIdReused.
        """
        await self._own(viewer, video_id)
        if edit.visibility is not None:
            check_visibility(edit.visibility, is_under_16=viewer.is_under_16)
        caption = None if edit.caption is None else clean_caption(edit.caption)
        hashtags = None if edit.hashtags is None else clean_hashtags(edit.hashtags)
        claim = await self._requests.claim(
            caller=viewer.user_id, method="UpdateVideo", request_id=request_id, body=body, new_id=self._next_id
        )

        def decide(video: Video) -> Video | None:
            if video.publication_state is PublicationState.DELETED:
                raise VideoNotFound(video_id=video_id)
            if is_applied(video.applied_edits, claim):
                return None
            if expected_version and video.version != expected_version:
                raise VideoChangedMeanwhile(video_id=video_id, version=video.version)
            worded = after_words(
                video,
                caption=video.caption if caption is None else caption,
                hashtags=video.hashtag_list if hashtags is None else hashtags,
            )
            return replace(
                worded if edit.switches is None else _switched(worded, edit.switches),
                category=video.category if edit.category is None else edit.category,
                visibility=edit.visibility or video.visibility,
                applied_edits=with_applied(video.applied_edits, claim),
            )

        return await self._changes.apply(video_id, decide)

    async def delete(self, viewer: Viewer, video_id: int) -> None:
        """End a video for everyone, its grants at once and its bytes soon after; deleting it again is no error. Raises VideoNotFound."""
        video = await self._store.get(video_id)
        if video is None or not viewer.user_id or video.creator_id != viewer.user_id:
            raise VideoNotFound(video_id=video_id)
        await self.withdraw_upload(video_id)

    async def withdraw_upload(self, video_id: int) -> None:
        """End the video of an upload that its creator gave up; safe to repeat, also when there is none."""
        if await self._store.get(video_id) is None:
            return
        video = await self._changes.apply(
            video_id, lambda video: None if video.publication_state is PublicationState.DELETED else after_delete(video)
        )
        self._progress.moved(video)

    async def see(self, viewer: Viewer, video_ids: Sequence[int]) -> list[Video]:
        """The videos that the viewer may know of, in the order asked, each once."""
        videos = await self._found(video_ids)
        return visible(viewer, videos, await self.relations(viewer, videos))

    async def permitted(self, viewer: Viewer, video_ids: Sequence[int]) -> list[tuple[Video, tuple[Act, ...]]]:
        """What the viewer may do with each of the videos that they may know of, in the order asked, each once."""
        videos = await self._found(video_ids)
        relations = await self.relations(viewer, videos)
        return [
            (
                video,
                permitted_acts(
                    video,
                    viewer_id=viewer.user_id,
                    is_moderator=viewer.is_moderator,
                    relation=relations.get(video.creator_id, STRANGER),
                ),
            )
            for video in visible(viewer, videos, relations)
        ]

    async def relations(self, viewer: Viewer, videos: Iterable[Video]) -> Mapping[int, Relation]:
        """The viewer's relation to the creators of videos by their ids; those that are left out are strangers. Raises RpcFailed."""
        return await self._people.relations(viewer, {video.creator_id for video in videos})

    async def list_of_creator(self, viewer: Viewer, creator_id: int, *, page_size: int, page_token: str) -> tuple[list[Video], str]:
        """A page of a creator's videos that the viewer may know of, newest first, and the token of the next page."""
        wanted = clamp(page_size)
        relations = await self._people.relations(viewer, [creator_id])
        cursor = self._tokens.decode("creator_videos", str(creator_id), page_token)
        videos: list[Video] = []
        for _ in range(_SCANS_A_PAGE):
            page = await self._store.page_of_creator(creator_id, after=cursor, limit=wanted - len(videos))
            videos.extend(visible(viewer, await self._found([entry.video_id for entry in page.rows]), relations))
            cursor = page.next
            if not cursor or len(videos) == wanted:
                break
        return videos, self._tokens.encode("creator_videos", str(creator_id), cursor)

    async def get_many(self, video_ids: Sequence[int]) -> dict[int, Video]:
        """Videos by id, whoever may see them; absent ids are absent."""
        return await self._store.get_many(video_ids)

    async def facts_of_many(self, video_ids: Sequence[int]) -> dict[int, MediaFacts]:
        """Media facts by video; absent before the probe."""
        return await self._store.facts_of_many(video_ids)

    async def renditions_of_many(self, facts: Sequence[MediaFacts]) -> dict[int, list[RenditionFacts]]:
        """The renditions that play, by video, each video's first one first; one read for all of them."""
        found = await self._store.renditions_of_many(facts)
        return {video_id: [row.facts for row in rows if row.state is RenditionState.READY] for video_id, rows in found.items()}

    def progress_of(self, video: Video) -> Progress:
        """How far processing of a video is."""
        return self._progress.of(video)

    async def mend_lists(self) -> int:
        """Write every creator's list again from the videos themselves; returns how many videos were listed."""
        listed, cursor = 0, ""
        while True:
            page = await self._store.walk(after=cursor)
            kept = [video for video in page.rows if video.publication_state is not PublicationState.DELETED]
            await self._store.list_for_creator(kept)
            listed, cursor = listed + len(kept), page.next
            if not cursor:
                return listed

    async def _found(self, video_ids: Sequence[int]) -> list[Video]:
        """The videos that there are, in the order asked, each once."""
        found = await self._store.get_many(video_ids)
        return [found[video_id] for video_id in dict.fromkeys(video_ids) if video_id in found]

    async def _own(self, viewer: Viewer, video_id: int) -> Video:
        video = await self._store.get(video_id)
        mine = video is not None and viewer.user_id and video.creator_id == viewer.user_id
        if video is None or not mine or video.publication_state is PublicationState.DELETED:
            raise VideoNotFound(video_id=video_id)
        return video


def _switched(video: Video, switches: Switches) -> Video:
    return replace(
        video,
        allow_comments=switches.allow_comments,
        allow_duet=switches.allow_duet,
        allow_stitch=switches.allow_stitch,
        allow_download=switches.allow_download,
    )
