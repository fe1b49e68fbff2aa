"""Request-scoped loaders: one batched call a service and a level, however many fields ask."""

from __future__ import annotations

import asyncio

from clipmesh.common.v1 import permit_pb2
from clipmesh.feed.v1 import signal_service_pb2
from clipmesh.social.v1 import engagement_service_pb2, graph_service_pb2, profile_service_pb2
from clipmesh.sound.v1 import catalogue_service_pb2
from clipmesh.video.v1 import image_service_pb2, playback_service_pb2, video_service_pb2

from gateway.batching import Batched, Missing
from gateway.clients import Clients

__all__ = ["Loaders", "Missing"]

PLAYBACKS_A_CALL = 50
"""BatchGetPlayback takes at most that many ids (video.v1)."""


class Loaders:
    """All loaders of one operation."""

    def __init__(self, clients: Clients, *, viewer_id: int = 0) -> None:
        """`viewer_id` is whose operation it is, 0 for nobody: who is not signed in has no relationships to ask for."""
        self._clients = clients
        self._viewer_id = viewer_id
        self._tasks: set[asyncio.Task[None]] = set()
        self.video = Batched("video", self._videos, most=200, tasks=self._tasks)
        self.permit = Batched("video", self._permits, most=200, tasks=self._tasks)
        self.playback = Batched("video", self._playbacks, most=PLAYBACKS_A_CALL, tasks=self._tasks)
        self.image = Batched("video", self._images, most=200, tasks=self._tasks)
        self.profile = Batched("social", self._profiles, most=200, tasks=self._tasks)
        self.relationship = Batched("social", self._relationships, most=200, tasks=self._tasks)
        self.graph_counts = Batched("social", self._graph_counts, most=200, tasks=self._tasks)
        self.counters = Batched("social", self._counters, most=200, tasks=self._tasks)
        self.viewer_state = Batched("social", self._viewer_states, most=200, tasks=self._tasks)
        self.sound = Batched("sound", self._sounds, most=200, tasks=self._tasks)
        self.views = Batched("feed", self._views, most=200, tasks=self._tasks)
        self.view_token = Batched("feed", self._view_tokens, most=100, tasks=self._tasks)

    def cancel(self) -> None:
        """End the calls under way; nobody waits for them any more."""
        for task in tuple(self._tasks):
            task.cancel()

    async def _videos(self, ids: list[int]) -> dict[int, video_service_pb2.Video]:
        answer = await self._clients.videos.BatchGetVideos(video_service_pb2.BatchGetVideosRequest(video_ids=ids))
        return {video.video_id: video for video in answer.videos}

    async def _permits(self, ids: list[int]) -> dict[int, permit_pb2.SignedPermit]:
        answer = await self._clients.videos.BatchIssuePermits(video_service_pb2.BatchIssuePermitsRequest(video_ids=ids))
        return {permit_pb2.Permit.FromString(permit.permit).subject_id: permit for permit in answer.permits}

    async def _playbacks(self, ids: list[int]) -> dict[int, playback_service_pb2.Playback]:
        answer = await self._clients.playback.BatchGetPlayback(playback_service_pb2.BatchGetPlaybackRequest(video_ids=ids))
        return {playback.video_id: playback for playback in answer.playbacks}

    async def _images(self, ids: list[int]) -> dict[int, image_service_pb2.Image]:
        answer = await self._clients.images.BatchGetImages(image_service_pb2.BatchGetImagesRequest(image_ids=ids))
        return {image.image_id: image for image in answer.images}

    async def _profiles(self, ids: list[int]) -> dict[int, profile_service_pb2.Profile]:
        answer = await self._clients.profiles.BatchGetProfiles(profile_service_pb2.BatchGetProfilesRequest(user_ids=ids))
        return {profile.user_id: profile for profile in answer.profiles}

    async def _relationships(self, ids: list[int]) -> dict[int, graph_service_pb2.Relationship]:
        others = [user_id for user_id in ids if user_id != self._viewer_id]
        if not self._viewer_id or not others:
            return {}
        answer = await self._clients.graph.BatchGetRelationships(graph_service_pb2.BatchGetRelationshipsRequest(user_ids=others))
        return {relationship.user_id: relationship for relationship in answer.relationships}

    async def _graph_counts(self, ids: list[int]) -> dict[int, graph_service_pb2.GraphCounts]:
        answer = await self._clients.graph.BatchGetGraphCounts(graph_service_pb2.BatchGetGraphCountsRequest(user_ids=ids))
        return {counts.user_id: counts for counts in answer.counts}

    async def _counters(self, ids: list[int]) -> dict[int, engagement_service_pb2.Counters]:
        answer = await self._clients.engagement.BatchGetCounters(engagement_service_pb2.BatchGetCountersRequest(video_ids=ids))
        return {counters.video_id: counters for counters in answer.counters}

    async def _viewer_states(self, ids: list[int]) -> dict[int, engagement_service_pb2.ViewerState]:
        if not self._viewer_id:
            return {}
        answer = await self._clients.engagement.BatchGetViewerState(engagement_service_pb2.BatchGetViewerStateRequest(video_ids=ids))
        return {state.video_id: state for state in answer.states}

    async def _sounds(self, ids: list[int]) -> dict[int, catalogue_service_pb2.Sound]:
        answer = await self._clients.sounds.BatchGetSounds(catalogue_service_pb2.BatchGetSoundsRequest(sound_ids=ids))
        return {sound.sound_id: sound for sound in answer.sounds}

    async def _views(self, ids: list[int]) -> dict[int, int]:
        answer = await self._clients.signals.BatchGetViewCounts(signal_service_pb2.BatchGetViewCountsRequest(video_ids=ids))
        return {count.video_id: count.views for count in answer.counts}

    async def _view_tokens(self, keys: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """Keys are (surface, video id)."""
        found: dict[tuple[int, int], str] = {}
        for surface in dict.fromkeys(surface for surface, _ in keys):
            ids = [video_id for of_surface, video_id in keys if of_surface == surface]
            request = signal_service_pb2.MintViewTokensRequest(video_ids=ids, surface=signal_service_pb2.Surface.ValueType(surface))
            answer = await self._clients.signals.MintViewTokens(request)
            found.update({(surface, token.video_id): token.view_token for token in answer.tokens})
        return found
