"""The publication driver: brings the facts of a publication to the gate and applies what it says.

Rights or social that cannot be reached mean "not yet": the work stays noted and is tried again, and nothing becomes public meanwhile.
"""

from __future__ import annotations

from dataclasses import replace

from mesh.failpoints import Failpoint, hit
from svc_video.videos.changes import VideoChanges
from svc_video.videos.neighbours import Neighbours
from svc_video.videos.rules import after_verdict, is_public, needs_verdict
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import OpenWork, Video
from svc_video.videos.work import DONE_MS, FIRST_PAUSE_MS


class PublicationDriver:
    """Asks the gate about one publication after the other."""

    def __init__(self, *, store: VideoStore, changes: VideoChanges, neighbours: Neighbours) -> None:
        self._store = store
        self._changes = changes
        self._neighbours = neighbours

    async def assess(self, _: OpenWork, video: Video) -> int:
        """One publication: standing from social, verdict from rights, then the row. Raises RpcFailed when one of them cannot answer."""
        if not needs_verdict(video):
            return DONE_MS
        facts = await self._store.facts_of(video.video_id)
        if facts is None:
            return FIRST_PAUSE_MS
        verdict = await self._neighbours.verdict_on(video, facts)
        hit(Failpoint.PUBLISH_AFTER_ASSESS)
        judged = await self._changes.apply(video.video_id, lambda now: after_verdict(now, verdict))
        # Words that changed while the gate looked are a publication of their own and have their own note.
        return FIRST_PAUSE_MS if needs_verdict(judged) else DONE_MS


class SoundRegistrar:
    """Registers the original sound of public videos; never in the way of a video becoming public."""

    def __init__(self, *, store: VideoStore, changes: VideoChanges, neighbours: Neighbours) -> None:
        self._store = store
        self._changes = changes
        self._neighbours = neighbours

    async def register(self, _: OpenWork, video: Video) -> int:
        """One video: its sound's id comes onto the row. Raises RpcFailed when sound cannot answer.

        The row says that sound is asked before it is. A video that is deleted after that gets its sound all the same: nobody can tell whether
        it exists already, and its audio has to belong to somebody.
        """
        if not video.has_audio or video.sound_id or (video.is_over and not video.sound_asked):
            return DONE_MS
        if not video.is_over:
            video = await self._changes.apply(video.video_id, lambda now: replace(now, sound_asked=True) if is_public(now) else None)
            if not is_public(video):
                return DONE_MS
        facts = await self._store.facts_of(video.video_id)
        if facts is None or not facts.audio_key:
            return DONE_MS
        sound_id = await self._neighbours.original_sound_of(video, facts)
        await self._changes.apply(video.video_id, lambda now: replace(now, sound_id=sound_id))
        return DONE_MS
