"""What stands between the viewer and a person."""

from __future__ import annotations

from operator import attrgetter

import strawberry
from clipmesh.social.v1 import graph_service_pb2

from gateway.execution.fields import OfMessage, part
from gateway.schema.enums import FollowState


@strawberry.type(description="What stands between the viewer and one person, as of now.")
class Relationship(OfMessage):
    message: strawberry.Private[graph_service_pb2.Relationship]
    follow: FollowState = part(lambda relationship: FollowState(relationship.follow), description="The viewer's follow of the person.")
    followed_by: FollowState = part(
        lambda relationship: FollowState(relationship.followed_by), description="The person's follow of the viewer."
    )
    blocks: bool = part(attrgetter("blocks"), description="Whether the viewer blocks the person.")
    mutes: bool = part(attrgetter("mutes"), description="Whether the viewer mutes the person; nobody else knows.")
