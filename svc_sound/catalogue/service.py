"""The gRPC face of the sound service."""

from __future__ import annotations

from typing import Any

import grpc
from clipmesh.sound.v1 import catalogue_service_pb2 as pb
from clipmesh.sound.v1 import catalogue_service_pb2_grpc as rpc

from mesh.pages import PageTokens, clamp
from svc_sound.catalogue.actions import CatalogueActions
from svc_sound.catalogue.convert import sound_to_proto
from svc_sound.usage.actions import UsageActions

Context = grpc.aio.ServicerContext[Any, Any]


class CatalogueServicer(rpc.CatalogueServiceServicer):
    """Parse, call, answer."""

    def __init__(self, *, catalogue: CatalogueActions, usage: UsageActions, tokens: PageTokens) -> None:
        self._catalogue = catalogue
        self._usage = usage
        self._tokens = tokens

    async def RegisterOriginalSound(self, request: pb.RegisterOriginalSoundRequest, context: Context) -> pb.RegisterOriginalSoundResponse:  # noqa: N802
        sound = await self._catalogue.register_original(
            video_id=request.video_id,
            creator_id=request.creator_id,
            duration_ms=request.duration_ms,
            audio_key=request.audio_key,
        )
        counts = await self._usage.count([sound.sound_id])
        return pb.RegisterOriginalSoundResponse(sound=sound_to_proto(sound, video_count=counts[sound.sound_id]))

    async def BatchGetSounds(self, request: pb.BatchGetSoundsRequest, context: Context) -> pb.BatchGetSoundsResponse:  # noqa: N802
        sounds = await self._catalogue.many(request.sound_ids)
        counts = await self._usage.count([sound.sound_id for sound in sounds])
        return pb.BatchGetSoundsResponse(sounds=[sound_to_proto(sound, video_count=counts[sound.sound_id]) for sound in sounds])

    async def GetSound(self, request: pb.GetSoundRequest, context: Context) -> pb.GetSoundResponse:  # noqa: N802
        sound = await self._catalogue.one(request.sound_id)
        counts = await self._usage.count([sound.sound_id])
        return pb.GetSoundResponse(sound=sound_to_proto(sound, video_count=counts[sound.sound_id]))

    async def ListSoundVideos(self, request: pb.ListSoundVideosRequest, context: Context) -> pb.ListSoundVideosResponse:  # noqa: N802
        await self._catalogue.one(request.sound_id)
        scope = str(request.sound_id)
        page = await self._usage.videos_of(
            request.sound_id,
            before=int(self._tokens.decode("sound-videos", scope, request.page_token) or 0),
            limit=clamp(request.page_size),
        )
        return pb.ListSoundVideosResponse(
            video_ids=page.video_ids,
            next_page_token=self._tokens.encode("sound-videos", scope, str(page.last) if page.last else ""),
        )
