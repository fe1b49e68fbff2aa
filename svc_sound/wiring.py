"""What the sound service is made of, over stores that somebody else opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipmesh.sound.v1 import catalogue_service_pb2, catalogue_service_pb2_grpc

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.pages import PageTokens
from mesh.server import ANYONE, Access, Priority, ServedService
from mesh.stores.tables.port import Tables
from svc_sound.catalogue.actions import CatalogueActions
from svc_sound.catalogue.service import CatalogueServicer
from svc_sound.catalogue.store import CatalogueStore
from svc_sound.catalogue.tables import OriginalSound, Sound
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


class Sounds:
    """The sound service without its process: servicers and consumer."""

    def __init__(self, *, tables: Tables, events: EventMaker, next_id: Callable[[], int], clock: Clock, page_token_key: bytes) -> None:
        uses = UsageStore(tables=tables)
        self.consumer = SoundUses(store=uses)
        servicer = CatalogueServicer(
            catalogue=CatalogueActions(store=CatalogueStore(tables=tables), events=events, next_id=next_id, clock=clock),
            usage=UsageActions(store=uses),
            tokens=PageTokens(page_token_key),
        )
        self.services: Sequence[ServedService] = (
            ServedService(
                add_to_server=catalogue_service_pb2_grpc.add_CatalogueServiceServicer_to_server,
                servicer=servicer,
                descriptor=catalogue_service_pb2.DESCRIPTOR.services_by_name["CatalogueService"],
                access=ACCESS,
            ),
        )
