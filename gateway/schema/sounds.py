"""Sounds: who is credited, which videos use them."""

from __future__ import annotations

from operator import attrgetter

import strawberry
from clipmesh.sound.v1 import catalogue_service_pb2

from gateway.context import GatewayInfo
from gateway.execution.costs import CALL_EACH_WEIGHT, Cost, ListSize
from gateway.execution.fields import OfMessage, part
from gateway.schema.enums import SoundKind
from gateway.schema.fetching import batched
from gateway.schema.nodes import Node
from gateway.schema.outcomes import ask_or_degrade, present, required
from gateway.schema.pages import Place, page_info, page_size
from gateway.schema.scalars import BigInt, DateTime, id_of, number_of
from gateway.schema.users import User
from gateway.schema.videos import Video, VideoConnection, VideoEdge


@strawberry.type(description="One sound.")
class Sound(OfMessage, Node):
    message: strawberry.Private[catalogue_service_pb2.Sound]
    id: strawberry.ID = part(lambda sound: id_of(sound.sound_id))
    kind: SoundKind = part(lambda sound: SoundKind(sound.kind))
    title: str = part(attrgetter("title"), description="Empty for an original sound: show its creator's name.")
    duration_ms: int = part(attrgetter("duration_ms"))
    video_count: BigInt = part(attrgetter("video_count"), description="Public videos that use it.")
    created_at: DateTime = part(attrgetter("created_at_ms"))
    creator: User | None = batched(
        lambda loaders: loaders.profile, key=lambda sound: sound.message.creator_id, shown=User.of, description="Who is credited."
    )
    source_video: Video | None = batched(
        lambda loaders: loaders.video,
        key=lambda sound: sound.message.source_video_id,
        shown=Video.of,
        description="The video it was made of, when this viewer may see it.",
    )

    @strawberry.field(
        description="Public videos that use it, newest first.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def videos(self, info: GatewayInfo, first: int = 20, after: str | None = None) -> VideoConnection | None:
        size, place = page_size(first), Place.decode(after)
        request = catalogue_service_pb2.ListSoundVideosRequest(
            sound_id=self.message.sound_id, page_size=size + place.skip, page_token=place.token
        )
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
