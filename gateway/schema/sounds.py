"""Sounds: who is credited, which videos use them."""

from __future__ import annotations

from typing import Self

import strawberry
from clipmesh.sound.v1 import catalogue_service_pb2

from gateway.context import GatewayInfo
from gateway.execution.costs import CALL_EACH_WEIGHT, Cost, ListSize
from gateway.schema.enums import SoundKind
from gateway.schema.nodes import Node
from gateway.schema.outcomes import ask_or_degrade, present, required
from gateway.schema.pages import Place, page_info, page_size
from gateway.schema.scalars import BigInt, DateTime, big, id_of, number_of
from gateway.schema.users import User, load_user
from gateway.schema.videos import Video, VideoConnection, VideoEdge, load_video


@strawberry.type(description="One sound.")
class Sound(Node):
    creator_id: strawberry.Private[int]
    source_video_id: strawberry.Private[int]
    kind: SoundKind
    title: str = strawberry.field(description="Empty for an original sound: show its creator's name.")
    duration_ms: int
    video_count: BigInt = strawberry.field(description="Public videos that use it.")
    created_at: DateTime

    @strawberry.field(description="Who is credited.")
    async def creator(self, info: GatewayInfo) -> User | None:
        return await load_user(info, self.creator_id)

    @strawberry.field(description="The video it was made of, when this viewer may see it.")
    async def source_video(self, info: GatewayInfo) -> Video | None:
        return await load_video(info, self.source_video_id)

    @strawberry.field(
        description="Public videos that use it, newest first.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def videos(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> VideoConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = catalogue_service_pb2.ListSoundVideosRequest(sound_id=int(self.id), page_size=size + place.skip, page_token=place.token)
        answer = await ask_or_degrade(info.context, "sound", info.context.clients.sounds.ListSoundVideos(request))
        if answer is None:
            return None
        ids = answer.video_ids[place.skip :]
        cursors = place.cursors(len(ids), answer.next_page_token)
        found = [present(info.context, one) for one in await info.context.loaders.video.load_many(list(ids))]
        return VideoConnection(
            edges=[
                VideoEdge(cursor=cursor, node=Video.of(video)) for cursor, video in zip(cursors, found, strict=True) if video is not None
            ],
            page_info=page_info(cursors, has_next=bool(answer.next_page_token), after=after),
        )

    @classmethod
    def of(cls, sound: catalogue_service_pb2.Sound) -> Self:
        """The type of a message."""
        return cls(
            id=id_of(sound.sound_id),
            creator_id=sound.creator_id,
            source_video_id=sound.source_video_id,
            kind=SoundKind(sound.kind),
            title=sound.title,
            duration_ms=sound.duration_ms,
            video_count=big(sound.video_count),
            created_at=DateTime(sound.created_at_ms),
        )

    @classmethod
    async def resolve_reference(cls, info: GatewayInfo, id: strawberry.ID) -> Sound | None:
        """The entity of a key, batched with all others of the operation."""
        return await load_sound(info, number_of(id))


async def load_sound(info: GatewayInfo, sound_id: int) -> Sound | None:
    """A sound by id through the operation's loader; None for 0, when absent or when sound is away."""
    if not sound_id:
        return None
    sound = present(info.context, await info.context.loaders.sound.load(sound_id))
    return Sound.of(sound) if sound is not None else None


@strawberry.type
class SoundQuery:
    @strawberry.field(description="One sound; null when there is none.")
    async def sound(self, info: GatewayInfo, id: strawberry.ID) -> Sound | None:
        sound = required(await info.context.loaders.sound.load(number_of(id)))
        return Sound.of(sound) if sound is not None else None
