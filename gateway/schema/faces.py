"""The picture that a person shows, as addresses of the media edge."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import strawberry
from clipmesh.video.v1 import image_service_pb2

from gateway.context import GatewayInfo
from gateway.execution.fields import OfMessage, part
from gateway.schema.fetching import batched
from gateway.schema.scalars import DateTime, id_of

DEFAULT_SIDE = 128


@strawberry.type(description="The picture that a person shows of themselves.")
class Avatar(OfMessage):
    message: strawberry.Private[image_service_pb2.Image]
    id: strawberry.ID = part(lambda image: id_of(image.image_id))
    expires_at: DateTime = part(attrgetter("expires_at_ms"), description="When its addresses end: ask again before.")

    @strawberry.field(description="A square of at least `size` pixels a side, the largest one where none is; of this origin.")
    async def url(self, info: GatewayInfo, size: int = DEFAULT_SIDE) -> str | None:
        sides = self.message.sides
        side = next((one for one in sides if one >= size), max(sides, default=0))
        return f"{self.message.root_path}{side}.webp" if side else None


def face(key: Callable[[Any], int]) -> Any:
    """The field of a person with a picture; `key` gives its id, 0 for none."""
    return batched(
        lambda loaders: loaders.image,
        key=key,
        shown=Avatar.of,
        description="The picture that this person shows; null for none, and when it cannot be told at this moment.",
    )
