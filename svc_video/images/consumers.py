"""Events of social that let pictures go."""

from __future__ import annotations

from clipmesh.social.v1.events_pb2 import ProfileChanged

from mesh.events.consumers import Incoming, VersionedRow
from svc_video.images.actions import ImageActions


class AvatarsOfPeople(VersionedRow):
    """Has the sweeper look at the pictures that a person no longer shows. It asks social itself, so what comes late, twice or in another order
    costs a look and changes nothing."""

    name = "avatars"
    topics = ("social",)

    def __init__(self, *, images: ImageActions) -> None:
        self._images = images
        self.handlers = {ProfileChanged: self.profile_changed}

    async def profile_changed(self, event: Incoming[ProfileChanged]) -> None:
        """A person shows another picture, or none; or another name, which costs a look."""
        facts = event.message.facts
        await self._images.replaced(facts.user_id, image_id=facts.avatar_id)
