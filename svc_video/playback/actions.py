"""What players and the media edge ask: grants for videos, and which grants are over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mesh.clock import Clock
from mesh.grants import GRANT_LIFE_MS, GRANT_SKEW_MS, Grant, GrantKind, grant_expires_at_ms, sign_grant
from mesh.pages import clamp
from svc_video.layout import GROWING_NAME, POSTER_NAME, PREVIEW_NAME, STORYBOARD_NAME, WAVEFORM_NAME, images_prefix
from svc_video.people import STRANGER
from svc_video.playback.rules import Network, Playback, Refusal, lacks_level, may_watch_growing, refusal_of, start_rendition
from svc_video.playback.store import RevocationStore
from svc_video.playback.tables import Revocation
from svc_video.videos.actions import MediaFacts, RenditionFacts, Video, VideoActions
from svc_video.viewers import Viewer

__all__ = ["PlaybackActions", "Revocations"]

KEPT_MS = GRANT_LIFE_MS + 4 * GRANT_SKEW_MS
"""How long a revocation stays listed: until every grant of an older epoch is over, whatever the clocks say."""
MOST_REVOCATIONS = 10_000
_REMEMBERED = 20_000


class Revocations:
    """Tells the media edge which epochs rose."""

    def __init__(self, *, store: RevocationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def revoke(self, video_id: int, epoch: int) -> None:
        """List `epoch` as the lowest that still plays; again is harmless."""
        await self._store.append(video_id=video_id, epoch=epoch, expires_at_ms=self._clock.now_ms() + KEPT_MS)

    async def list_after(self, position: int, *, page_size: int) -> tuple[Sequence[Revocation], int]:
        """Revocations behind a position and the position to go on from.

        A position that was never given comes from other tables than these: the reader gets everything that is in force.
        """
        if position > await self._store.last_position():
            position = 0
        wanted = clamp(page_size, default=1_000, most=MOST_REVOCATIONS)
        found: list[Revocation] = []
        while len(found) < wanted:
            page = await self._store.page_after(position, limit=min(wanted - len(found), 1_000))
            found.extend(page.rows)
            position = page.rows[-1].position if page.rows else position
            if not page.next:
                break
        return found, position


class PlaybackActions:
    """Decides who may play what and signs it."""

    def __init__(self, *, videos: VideoActions, sign: Callable[[bytes], bytes], clock: Clock, ask_for_rest: Callable[[int], None]) -> None:
        """`ask_for_rest` hears of each clip of which a viewer would play a rendition that is not made yet; it never waits."""
        self._ask_for_rest = ask_for_rest
        self._videos = videos
        self._sign = sign
        self._clock = clock
        self._signed: dict[Grant, str] = {}

    async def of_many(self, viewer: Viewer, video_ids: Sequence[int], *, network: Network, save_data: bool) -> list[Playback]:
        """A playback or a refusal for each id, in the order asked."""
        videos = await self._videos.get_many(video_ids)
        relations = await self._videos.relations(viewer, videos.values())

        def refusal(video: Video | None) -> Refusal:
            return refusal_of(video, viewer, relation=relations.get(video.creator_id, STRANGER) if video is not None else STRANGER)

        refusals = {video_id: refusal(videos.get(video_id)) for video_id in video_ids}
        growing = {video_id for video_id, video in videos.items() if may_watch_growing(video, viewer)}
        playing = {video_id for video_id, refusal in refusals.items() if refusal is Refusal.NONE}
        facts = await self._videos.facts_of_many([*playing, *growing])
        renditions = await self._videos.renditions_of_many([facts[video_id] for video_id in playing if video_id in facts])

        def playback(video_id: int) -> Playback:
            if video_id in playing and renditions.get(video_id):
                return self._granted(videos[video_id], facts[video_id], renditions[video_id], network=network, save_data=save_data)
            if video_id in growing and video_id in facts and facts[video_id].growing_prefix:
                return self._growing(videos[video_id], facts[video_id])
            return Playback(video_id=video_id, refusal=refusals[video_id] or Refusal.NOT_READY)

        return [playback(video_id) for video_id in video_ids]

    def _growing(self, video: Video, facts: MediaFacts) -> Playback:
        expires_at_ms = grant_expires_at_ms(self._clock.now_ms())
        grant = Grant(video_id=video.video_id, epoch=video.epoch, expires_at_ms=expires_at_ms, prefix=facts.growing_prefix)
        return Playback(
            video_id=video.video_id,
            refusal=Refusal.NOT_READY,
            growing_playlist_path=f"/m/{self._token(grant)}/{GROWING_NAME}",
            expires_at_ms=expires_at_ms,
        )

    def _granted(
        self, video: Video, facts: MediaFacts, renditions: Sequence[RenditionFacts], *, network: Network, save_data: bool
    ) -> Playback:
        expires_at_ms = grant_expires_at_ms(self._clock.now_ms())
        grant = Grant(video_id=video.video_id, epoch=video.epoch, expires_at_ms=expires_at_ms, prefix=facts.output_prefix)
        pictures = replace(grant, prefix=images_prefix(video.video_id), kind=GrantKind.IMAGES)
        root, images = f"/m/{self._token(grant)}", f"/m/{self._token(pictures)}"
        start = start_rendition(renditions, network=network, save_data=save_data)
        if lacks_level(video, renditions, network=network, save_data=save_data):
            self._ask_for_rest(video.video_id)
        return Playback(
            video_id=video.video_id,
            master_playlist_path=f"{root}/master.m3u8",
            start_playlist_path=f"{root}/{start.name}.m3u8",
            dash_manifest_path=f"{root}/manifest.mpd",
            mp4_path=f"{root}/{renditions[0].name}.mp4",
            # Made after the clip plays: its creator may look at it before they are there.
            poster_path=f"{images}/{POSTER_NAME}" if facts.has_preview else "",
            preview_path=f"{images}/{PREVIEW_NAME}" if facts.has_preview else "",
            storyboard_path=f"{images}/{STORYBOARD_NAME}" if facts.has_storyboard else "",
            waveform_path=f"{images}/{WAVEFORM_NAME}" if facts.has_waveform else "",
            start_level=start.level,
            expires_at_ms=expires_at_ms,
            renditions=tuple(sorted(rendition.level for rendition in renditions)),
        )

    def _token(self, grant: Grant) -> str:
        """The signed grant; those of one minute are equal, and are signed once."""
        token = self._signed.get(grant)
        if token is None:
            if len(self._signed) >= _REMEMBERED:
                self._signed.clear()
            token = self._signed[grant] = sign_grant(grant, sign=self._sign)
        return token
