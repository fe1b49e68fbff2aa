"""Videos: what they say, how they play, what people say of them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from clipmesh.video.v1 import video_service_pb2

from gateway.context import GatewayInfo
from gateway.errors import Fault
from gateway.execution.costs import CALL_EACH_WEIGHT, Cost, ListSize
from gateway.execution.fields import OfMessage, part
from gateway.schema.counters import ViewerState
from gateway.schema.enums import Category, CommentOrder, Surface, VideoState, Visibility
from gateway.schema.fetching import batched
from gateway.schema.nodes import Node
from gateway.schema.outcomes import ask_or_degrade, present, required
from gateway.schema.pages import PageInfo, Place, ends_of, page_info, page_size
from gateway.schema.playback import Playback
from gateway.schema.scalars import BigInt, DateTime, big, id_of, moment, number_of
from gateway.schema.users import User

if TYPE_CHECKING:
    from gateway.schema.comments import Comment, CommentConnection
    from gateway.schema.sounds import Sound

MOST_VIDEOS = 50


@strawberry.type(description="What a creator lets others do with a video.")
class Switches(OfMessage):
    message: strawberry.Private[video_service_pb2.Switches]
    allow_comments: bool = part(attrgetter("allow_comments"))
    allow_duet: bool = part(attrgetter("allow_duet"))
    allow_stitch: bool = part(attrgetter("allow_stitch"))
    allow_download: bool = part(attrgetter("allow_download"))


def _sound(message: Any) -> Sound:
    from gateway.schema.sounds import Sound  # noqa: PLC0415 - the two types name each other

    return Sound.of(message)


@strawberry.type(description="One clip as this viewer may know it.")
class Video(OfMessage, Node):
    message: strawberry.Private[video_service_pb2.Video]
    id: strawberry.ID = part(lambda video: id_of(video.video_id))
    state: VideoState = part(lambda video: VideoState(video.state))
    caption: str = part(attrgetter("caption"))
    hashtags: list[str] = part(lambda video: list(video.hashtags))
    category: Category = part(lambda video: Category(video.category))
    language: str | None = part(lambda video: video.language or None)
    visibility: Visibility = part(lambda video: Visibility(video.visibility or Visibility.PUBLIC))
    switches: Switches = part(lambda video: Switches.of(video.switches))
    duration_ms: int = part(attrgetter("duration_ms"))
    width: int = part(attrgetter("width"))
    height: int = part(attrgetter("height"))
    has_audio: bool = part(attrgetter("has_audio"))
    created_at: DateTime = part(attrgetter("created_at_ms"))
    published_at: DateTime | None = part(lambda video: moment(video.published_at_ms))
    failure_code: str | None = part(lambda video: video.failure_code or None, description="The named reason of FAILED or REJECTED.")
    failure_detail: str | None = part(lambda video: video.failure_detail or None)
    progress_percent: int = part(attrgetter("progress_percent"), description="How far processing is; told to its creator.")
    version: BigInt = part(attrgetter("version"))

    creator: User | None = batched(
        lambda loaders: loaders.profile,
        key=lambda video: video.message.creator_id,
        shown=User.of,
        description="Who made it; null when that is not known at this moment.",
    )
    sound: Annotated[Sound, strawberry.lazy("gateway.schema.sounds")] | None = batched(
        lambda loaders: loaders.sound,
        key=lambda video: video.message.sound_id,
        shown=_sound,
        description="The sound it uses; null for none.",
    )
    view_count: BigInt | None = batched(
        lambda loaders: loaders.views,
        key=lambda video: video.message.video_id,
        shown=big,
        description="Counted views; null when they are not known at this moment.",
    )
    like_count: BigInt | None = batched(
        lambda loaders: loaders.counters,
        key=lambda video: video.message.video_id,
        shown=lambda counters: big(counters.likes),
        description="How many like it; null when that is not known at this moment.",
    )
    save_count: BigInt | None = batched(
        lambda loaders: loaders.counters,
        key=lambda video: video.message.video_id,
        shown=lambda counters: big(counters.saves),
        description="How many keep it; null when that is not known at this moment.",
    )
    share_count: BigInt | None = batched(
        lambda loaders: loaders.counters,
        key=lambda video: video.message.video_id,
        shown=lambda counters: big(counters.shares),
        description="How often it was passed on; null when that is not known at this moment.",
    )
    repost_count: BigInt | None = batched(
        lambda loaders: loaders.counters,
        key=lambda video: video.message.video_id,
        shown=lambda counters: big(counters.reposts),
        description="How many show it to others; null when that is not known at this moment.",
    )
    comment_count: BigInt | None = batched(
        lambda loaders: loaders.counters,
        key=lambda video: video.message.video_id,
        shown=lambda counters: big(counters.comments),
        description="How many published comments it has, replies included; null when that is not known at this moment.",
    )
    counts_approximate: bool | None = batched(
        lambda loaders: loaders.counters,
        key=lambda video: video.message.video_id,
        shown=attrgetter("approximate"),
        description="True while so much happens that the counts lag behind; null when they are not known at this moment.",
    )
    viewer_state: ViewerState | None = batched(
        lambda loaders: loaders.viewer_state,
        key=lambda video: video.message.video_id,
        shown=ViewerState.of,
        description="What the viewer did with it; null for anonymous, and when that is not known at this moment.",
    )
    playback: Playback | None = batched(
        lambda loaders: loaders.playback,
        key=lambda video: video.message.video_id,
        shown=Playback.of,
        description="How to play it.",
        directives=(Cost(weight="3"),),
    )

    @strawberry.field(
        description="Its comments, the pinned one first, each with the first of its replies down to `levels` levels; null when they are not known at "
        "this moment.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def comments(
        self,
        info: GatewayInfo,
        *,
        order: CommentOrder = CommentOrder.TOP,
        first: int = 20,
        after: str | None = None,
        levels: int = 2,
        children: int = 3,
    ) -> Annotated[CommentConnection, strawberry.lazy("gateway.schema.comments")] | None:
        from gateway.schema.comments import comments_of  # noqa: PLC0415 - the two types name each other

        return await comments_of(info, self.message.video_id, order, first=first, after=after, levels=levels, children=children)

    @strawberry.field(
        description="What answers one of its comments, oldest first; null when the comment is not there for this viewer.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=20, slicing_arguments=["first"], sized_fields=["edges"])],
    )
    async def replies(
        self,
        info: GatewayInfo,
        comment_id: strawberry.ID,
        *,
        first: int = 20,
        after: str | None = None,
        levels: int = 1,
        children: int = 3,
    ) -> Annotated[CommentConnection, strawberry.lazy("gateway.schema.comments")] | None:
        from gateway.schema.comments import replies_of  # noqa: PLC0415 - the two types name each other

        number = number_of(comment_id)
        return await replies_of(info, self.message.video_id, number, first=first, after=after, levels=levels, children=children)

    @strawberry.field(
        description="One of its comments after everything above it, the top of the thread first; null when it is not there for this viewer.",
        directives=[Cost(weight=CALL_EACH_WEIGHT), ListSize(assumed_size=5)],
    )
    async def comment_path(
        self, info: GatewayInfo, comment_id: strawberry.ID
    ) -> list[Annotated[Comment, strawberry.lazy("gateway.schema.comments")]] | None:
        from gateway.schema.comments import path_of  # noqa: PLC0415 - the two types name each other

        return await path_of(info, self.message.video_id, number_of(comment_id))

    @strawberry.field(description="A token for reportWatch when the video is shown elsewhere than in the feed.")
    async def view_token(self, info: GatewayInfo, surface: Surface) -> str | None:
        return present(info.context, await info.context.loaders.view_token.load((surface.value, self.message.video_id)))

    @classmethod
    async def resolve_reference(cls, info: GatewayInfo, id: strawberry.ID) -> Video | None:
        """The entity of a key, batched with all others of the operation."""
        return await load_video(info, number_of(id))


async def load_video(info: GatewayInfo, video_id: int) -> Video | None:
    """A video by id through the operation's loader; None when absent, hidden or video is away."""
    video = present(info.context, await info.context.loaders.video.load(video_id))
    return Video.of(video) if video is not None else None


@strawberry.type(description="One video of a list.")
class VideoEdge:
    cursor: str
    node: Video


@strawberry.type(description="A page of videos.")
class VideoConnection:
    edges: list[VideoEdge]
    page_info: PageInfo


async def creator_videos(info: GatewayInfo, creator_id: int, first: int, after: str | None) -> VideoConnection | None:
    """A page of a creator's videos."""
    size, place = page_size(first), Place.decode(after)
    request = video_service_pb2.ListCreatorVideosRequest(creator_id=creator_id, page_size=size + place.skip, page_token=place.token)
    answer = await ask_or_degrade(info.context, "video", info.context.clients.videos.ListCreatorVideos(request))
    if answer is None:
        return None
    videos = answer.videos[place.skip :]
    for video in videos:
        info.context.loaders.video.prime(video.video_id, video)
    cursors = place.cursors(len(videos), answer.next_page_token)
    return VideoConnection(
        edges=[VideoEdge(cursor=cursor, node=Video.of(video)) for cursor, video in zip(cursors, videos, strict=True)],
        page_info=page_info(ends_of(cursors, answer.next_page_token), has_next=bool(answer.next_page_token), after=after),
    )


@strawberry.type
class VideoQuery:
    @strawberry.field(description="One video; null when it is not there for this viewer.")
    async def video(self, info: GatewayInfo, id: strawberry.ID) -> Video | None:
        video = required(await info.context.loaders.video.load(number_of(id)))
        return Video.of(video) if video is not None else None

    @strawberry.field(
        description="Videos by id, at most 50, null where one is not there for this viewer.",
        directives=[ListSize(assumed_size=MOST_VIDEOS, slicing_arguments=["ids"])],
    )
    async def videos(self, info: GatewayInfo, ids: list[strawberry.ID]) -> list[Video | None] | None:
        if len(ids) > MOST_VIDEOS:
            raise Fault("BAD_USER_INPUT", f"at most {MOST_VIDEOS} ids")
        found = await info.context.loaders.video.load_many([number_of(one) for one in ids])
        return [Video.of(video) if (video := required(one)) is not None else None for one in found]
