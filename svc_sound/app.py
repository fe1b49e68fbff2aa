"""Wires the sound service: stores, actions, servicers, consumers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipmesh.sound.v1 import catalogue_service_pb2, catalogue_service_pb2_grpc

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.pages import PageTokens
from mesh.server import ANYONE, Access, Priority, ServedService
from svc_sound.catalogue.actions import CatalogueActions
from svc_sound.catalogue.service import CatalogueServicer
from svc_sound.catalogue.store import CatalogueStore
from svc_sound.catalogue.tables import OriginalSound, Sound
from svc_sound.settings import SoundSettings
from svc_sound.usage.actions import UsageActions
from svc_sound.usage.consumers import SoundUses
from svc_sound.usage.store import UsageStore
from svc_sound.usage.tables import SoundUse, VideoSound

ROW_TYPES = (Sound, OriginalSound, SoundUse, VideoSound)

ACCESS = {
    "RegisterOriginalSound": Access(callers={"video"}, viewer=ANYONE, idempotent=True, priority=Priority.WRITE),
    "BatchGetSounds": Access(callers={"gateway", "feed", "video"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
    "GetSound": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
    "ListSoundVideos": Access(callers={"gateway"}, viewer=ANYONE, idempotent=True, priority=Priority.FEED),
}


class SoundApp:
    """The sound service as one process."""

    def __init__(self, *, process: Process, settings: SoundSettings) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._backbone: Backbone | None = None

    async def start(self) -> None:
        """Open the stores, begin to fold video's events."""
        settings = self._settings
        backbone = await Backbone.open(
            self.process, tables=settings.tables, redis=settings.redis, events=settings.events, row_types=ROW_TYPES
        )
        self._backbone = backbone
        uses = UsageStore(tables=backbone.tables)
        catalogue = CatalogueActions(
            store=CatalogueStore(tables=backbone.tables),
            events=backbone.events,
            next_id=backbone.ids.next,
            clock=self.process.clock,
        )
        servicer = CatalogueServicer(
            catalogue=catalogue,
            usage=UsageActions(store=uses),
            tokens=PageTokens(self.process.secrets.named("page_token_key")),
        )
        self.services = (
            ServedService(
                add_to_server=catalogue_service_pb2_grpc.add_CatalogueServiceServicer_to_server,
                servicer=servicer,
                descriptor=catalogue_service_pb2.DESCRIPTOR.services_by_name["CatalogueService"],
                access=ACCESS,
            ),
        )
        self.dependencies = backbone.dependencies
        backbone.consume(SoundUses(store=uses))

    async def stop(self) -> None:
        """Finish and close."""
        if self._backbone is not None:
            await self._backbone.close()


def build(settings: SoundSettings) -> SoundApp:
    """The app of one process; nothing is opened yet."""
    return SoundApp(process=Process.open(settings), settings=settings)
