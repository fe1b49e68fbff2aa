"""The schema for clients: every domain's operations, and nodes by id."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import strawberry
from graphql import GraphQLDeferDirective

from gateway.context import GatewayInfo
from gateway.errors import Fault
from gateway.execution.costs import ListSize
from gateway.schema.avatars import AvatarMutation
from gateway.schema.commenting import CommentMutation
from gateway.schema.comments import CommentQuery
from gateway.schema.counters import EngagementSubscription
from gateway.schema.engaged import EngagementQuery
from gateway.schema.engagement import EngagementMutation
from gateway.schema.feed import FeedMutation, FeedQuery
from gateway.schema.graph import GraphMutation, GraphQuery
from gateway.schema.inboxes import NotificationSubscription
from gateway.schema.nodes import Node
from gateway.schema.notifications import NotificationMutation, NotificationQuery
from gateway.schema.privacy import PrivacyMutation
from gateway.schema.publishing import VideoMutation
from gateway.schema.reviews import ReviewMutation, ReviewQuery
from gateway.schema.scalars import CONFIG, number_of
from gateway.schema.sessions import SessionMutation
from gateway.schema.sounds import Sound, SoundQuery, load_sound
from gateway.schema.staff import StaffMutation
from gateway.schema.uploads import UploadMutation, UploadQuery, UploadSubscription
from gateway.schema.users import User, UserMutation, UserQuery, load_user
from gateway.schema.videos import MOST_VIDEOS, Video, VideoQuery, load_video
from mesh.ids import SERVICES, decode

_LOADERS = {SERVICES["video"]: load_video, SERVICES["social"]: load_user, SERVICES["sound"]: load_sound}
"""The service that minted an id tells what it names."""


async def _node(info: GatewayInfo, id: strawberry.ID) -> Node | None:
    number = number_of(id)
    load = _LOADERS.get(decode(number).service)
    return await load(info, number) if load is not None else None


@strawberry.type(description="What can be asked.")
class Query(
    UserQuery, GraphQuery, EngagementQuery, VideoQuery, SoundQuery, FeedQuery, UploadQuery, ReviewQuery, NotificationQuery, CommentQuery
):
    @strawberry.field(description="Whatever has this id; null when it is not there for this viewer.")
    async def node(self, info: GatewayInfo, id: strawberry.ID) -> Node | None:
        return await _node(info, id)

    @strawberry.field(
        description="Several nodes, at most 50, null where one is not there.",
        directives=[ListSize(assumed_size=MOST_VIDEOS, slicing_arguments=["ids"])],
    )
    async def nodes(self, info: GatewayInfo, ids: list[strawberry.ID]) -> list[Node | None] | None:
        if len(ids) > MOST_VIDEOS:
            raise Fault("BAD_USER_INPUT", f"at most {MOST_VIDEOS} ids")
        return list(await asyncio.gather(*(_node(info, one) for one in ids)))


@strawberry.type(description="What can be done; expected outcomes come as userErrors.")
class Mutation(
    UserMutation,
    AvatarMutation,
    SessionMutation,
    PrivacyMutation,
    GraphMutation,
    EngagementMutation,
    CommentMutation,
    UploadMutation,
    VideoMutation,
    FeedMutation,
    ReviewMutation,
    StaffMutation,
    NotificationMutation,
):
    pass


@strawberry.type(description="What can be followed live.")
class Subscription(UploadSubscription, EngagementSubscription, NotificationSubscription):
    pass


TYPES = (User, Video, Sound)
"""Types that are reachable by the Node interface alone."""

ENTITIES: Mapping[str, str] = {"User": "id", "Video": "id", "Sound": "id"}
"""Federation entities -> their key; each class has a batched `resolve_reference`."""


def make_schema() -> strawberry.Schema:
    """The schema for clients. Of incremental delivery it knows @defer alone: no list of ours comes item by item."""
    schema = strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription, types=TYPES, config=CONFIG)
    schema._schema.directives = (*schema._schema.directives, GraphQLDeferDirective)
    return schema
