"""The rights service: wires stores, actions and servicers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.pages import PageTokens
from mesh.server import ServedService
from svc_rights.publication.policy import Policy, load
from svc_rights.settings import RightsSettings
from svc_rights.wiring import ROW_TYPES, wire


class RightsApp:
    """One process of the rights service."""

    def __init__(self, *, process: Process, settings: RightsSettings, policy: Policy, tokens: PageTokens) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._policy = policy
        self._tokens = tokens
        self._backbone: Backbone | None = None

    async def start(self) -> None:
        """Open the stores and read the block list."""
        settings = self._settings
        backbone = await Backbone.open(
            self.process, tables=settings.tables, redis=settings.redis, events=settings.events, blobs=settings.blobs, row_types=ROW_TYPES
        )
        self._backbone = backbone
        await backbone.archive(settings, topics=("rights",))
        rights = wire(
            tables=backbone.tables,
            clock=self.process.clock,
            next_id=backbone.ids.next,
            events=backbone.events,
            policy=self._policy,
            tokens=self._tokens,
        )
        await rights.block_list.load()
        self.services = (*rights.services, backbone.operator_service())
        self.dependencies = backbone.dependencies

    async def stop(self) -> None:
        """Close the stores."""
        if self._backbone is not None:
            await self._backbone.close()


def build(settings: RightsSettings) -> RightsApp:
    """The service as its settings say; refuses at once when the policy file or a secret is wrong."""
    process = Process.open(settings)
    return RightsApp(
        process=process,
        settings=settings,
        policy=load(settings.policy_file, unclassified=settings.unclassified_policy.kind),
        tokens=PageTokens(process.secrets.named("page_token_key")),
    )
