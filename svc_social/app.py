"""The social service: wires stores, actions and servicers, and keeps keys said and cut-off sign-ups settled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from clipmesh.rights.v1.text_policy_service_pb2_grpc import TextPolicyServiceStub
from clipmesh.social.v1.events_pb2 import BondChanged

from mesh.app import Dependency, Process
from mesh.backbone import Backbone
from mesh.background import kept_going
from mesh.deadline import scope
from mesh.errors import MeshError
from mesh.events.hint_sender import HintSender
from mesh.events.stream.port import StreamError
from mesh.server import ServedService
from mesh.stores.tables.port import TablesError
from svc_social.comments import store as comments_store
from svc_social.comments import wiring as comments_wiring
from svc_social.comments.policy import RightsTextPolicy
from svc_social.engagement import store as engagement_store
from svc_social.engagement import wiring as engagement_wiring
from svc_social.engagement.rules import Rates
from svc_social.graph import store as graph_store
from svc_social.graph import wiring as graph_wiring
from svc_social.identity.actions import SigningKeys, SignUpSettler
from svc_social.identity.clients import Clients
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.mail import open_mailer
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.store import ROW_TYPES
from svc_social.identity.wiring import wire
from svc_social.notifications import store as notifications_store
from svc_social.notifications import wiring as notifications_wiring
from svc_social.notifications.couriers import Mails, open_pushes
from svc_social.notifications.tables import Channel
from svc_social.settings import SocialSettings, roles_by_handle

_SWEEP_INTERVAL_S = 60.0
_RETRY_S = 5.0
_ROUND_DEADLINE_S = 20.0

_log = logging.getLogger("clipmesh.social")


async def repeat(work: Callable[[], Awaitable[object]], *, every_s: float, stopping: asyncio.Event) -> None:
    """Do `work` at once and then again until `stopping` is set; sooner after it failed, whatever the reason: nobody else would say the keys."""
    while not stopping.is_set():
        pause_s = every_s
        try:
            with scope(_ROUND_DEADLINE_S):
                await work()
        except Exception as error:
            expected = isinstance(error, (MeshError, StreamError, TablesError))
            _log.warning("background work is tried again", exc_info=not expected, extra={"error_type": type(error).__name__})
            pause_s = min(every_s, _RETRY_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause_s)


class SocialApp:
    """One process of the social service."""

    def __init__(self, *, process: Process, settings: SocialSettings, keys: IdentityKeys) -> None:
        self.process = process
        self.services: Sequence[ServedService] = ()
        self.dependencies: Mapping[str, Dependency] = {}
        self._settings = settings
        self._keys = keys
        self._hasher = PasswordHasher(memory_kib=settings.password_memory_kib, workers=settings.password_workers)
        self._backbone: Backbone | None = None
        self._hints: HintSender | None = None
        self._inbox_hints: HintSender | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Open the stores, make the first signing key, begin to say keys and to sweep."""
        settings = self._settings
        rows = (*ROW_TYPES, *graph_store.ROW_TYPES, *engagement_store.ROW_TYPES, *comments_store.ROW_TYPES, *notifications_store.ROW_TYPES)
        backbone = await Backbone.open(
            self.process, tables=settings.tables, redis=settings.redis, events=settings.events, blobs=settings.blobs, row_types=rows
        )
        self._backbone = backbone
        await backbone.archive(settings, topics=("social", "keys"))
        relations = graph_wiring.relations_on(backbone.tables)
        identity = wire(
            tables=backbone.tables,
            clock=self.process.clock,
            next_id=backbone.ids.next,
            events=backbone.events,
            keys=self._keys,
            hasher=self._hasher,
            clients=Clients.web(settings.oauth_redirects),
            relations=relations,
            page_token_key=self.process.secrets.named("page_token_key"),
            mailer=open_mailer(settings.mail),
            mail_origin=settings.origin,
            permits=self.process.permits,
            bootstrap_roles=roles_by_handle(settings.bootstrap_roles),
        )

        async def told(change: BondChanged) -> None:
            # Notifications are wired later: they need the followers of the graph.
            await notifications.parting.at_once(change)

        graph = graph_wiring.wire(
            tables=backbone.tables,
            clock=self.process.clock,
            next_id=backbone.ids.next,
            events=backbone.events,
            page_token_key=self.process.secrets.named("page_token_key"),
            profiles=identity.profiles,
            relations=relations,
            told=told,
        )
        hints = self._hints = HintSender(stream=backbone.stream, topic=engagement_wiring.COUNTERS_TOPIC)
        engagement = engagement_wiring.wire(
            tables=backbone.tables,
            clock=self.process.clock,
            next_id=backbone.ids.next,
            events=backbone.events,
            permits=self.process.permits,
            page_token_key=self.process.secrets.named("page_token_key"),
            profiles=identity.profiles,
            relations=relations,
            sealer=identity.sealer,
            named_requests=identity.requests,
            rates=Rates(window_ms=settings.viral_flush_ms, busy_per_s=settings.viral_acts_per_s),
            hints=hints,
        )
        inbox_hints = self._inbox_hints = HintSender(stream=backbone.stream, topic=notifications_wiring.NOTIFICATIONS_TOPIC)
        notifications = notifications_wiring.wire(
            tables=backbone.tables,
            clock=self.process.clock,
            next_id=backbone.ids.next,
            page_token_key=self.process.secrets.named("page_token_key"),
            profiles=identity.profiles,
            relations=relations,
            followers=graph.followers,
            sealer=identity.sealer,
            named_requests=identity.requests,
            couriers={
                Channel.PUSH: open_pushes(settings.push),
                Channel.MAIL: Mails(send=lambda user_id, security: identity.notices.mail(user_id, security=security)),
            },
            hints=inbox_hints,
            telemetry=self.process.telemetry,
        )
        comments = comments_wiring.wire(
            tables=backbone.tables,
            clock=self.process.clock,
            next_id=backbone.ids.next,
            events=backbone.events,
            permits=self.process.permits,
            page_token_key=self.process.secrets.named("page_token_key"),
            profiles=identity.profiles,
            relations=relations,
            sealer=identity.sealer,
            requests=identity.requests,
            policy=RightsTextPolicy(rights=self.process.channels.stub(TextPolicyServiceStub, "rights", idempotent={"BatchAssessTexts"})),
            acts_of_video=engagement.clearing.of_video,
        )
        await identity.signing.rotate()
        self.services = (
            *identity.services,
            *graph.services,
            *engagement.services,
            *comments.services,
            *notifications.services,
            backbone.operator_service(),
        )
        self.dependencies = backbone.dependencies
        for consumer in (*graph.consumers, *engagement.consumers, *comments.consumers, *notifications.consumers):
            backbone.consume(consumer)
        self._keep(backbone, identity.signing, identity.settler)
        backbone.run(kept_going(identity.posting.run, name="post-mail"), name="post-mail")
        backbone.run(kept_going(comments.clearing.run, name="clear-deleted"), name="clear-deleted")
        backbone.run(kept_going(notifications.publishing.run, name="fan-out"), name="fan-out")
        backbone.run(kept_going(notifications.delivering.run, name="deliver-notifications"), name="deliver-notifications")

    def _keep(self, backbone: Backbone, signing: SigningKeys, settler: SignUpSettler) -> None:
        every_s = self._settings.keys_interval_ms / 1000
        backbone.run(repeat(lambda: signing.publish(backbone.stream), every_s=every_s, stopping=self._stopping), name="say-keys")
        backbone.run(repeat(settler.sweep, every_s=_SWEEP_INTERVAL_S, stopping=self._stopping), name="settle-sign-ups")

    async def stop(self) -> None:
        """End background work and close the stores."""
        self._stopping.set()
        self._hasher.close()
        if self._hints is not None:
            await self._hints.close()
        if self._inbox_hints is not None:
            await self._inbox_hints.close()
        if self._backbone is not None:
            await self._backbone.close()


def build(settings: SocialSettings) -> SocialApp:
    """The service as its settings say; refuses at once when a secret is missing."""
    process = Process.open(settings)
    keys = IdentityKeys.from_secrets(
        email_hash_key=process.secrets.named("email_hash_key"), sealing_key=process.secrets.named("sealing_key")
    )
    return SocialApp(process=process, settings=settings, keys=keys)
