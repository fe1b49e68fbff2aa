"""Wires the sound service as a process: stores, servicers, consumer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.server import ServedService
from svc_sound.settings import SoundSettings
from svc_sound.wiring import ROW_TYPES, Sounds


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
        settings, process = self._settings, self.process
        backbone = await Backbone.open(
            process, tables=settings.tables, redis=settings.redis, events=settings.events, blobs=settings.blobs, row_types=ROW_TYPES
        )
        self._backbone = backbone
        await backbone.archive(settings, topics=("sound",))
        sounds = Sounds(
            tables=backbone.tables,
            events=backbone.events,
            next_id=backbone.ids.next,
            clock=process.clock,
            page_token_key=process.secrets.named("page_token_key"),
        )
        self.services = (*sounds.services, backbone.operator_service())
        self.dependencies = backbone.dependencies
        backbone.consume(sounds.consumer)

    async def stop(self) -> None:
        """Finish and close."""
        if self._backbone is not None:
            await self._backbone.close()


def build(settings: SoundSettings) -> SoundApp:
    """The app of one process; nothing is opened yet."""
    return SoundApp(process=Process.open(settings), settings=settings)
