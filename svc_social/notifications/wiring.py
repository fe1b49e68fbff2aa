"""Notifications put together: stores, actions, the gRPC service, consumers, and what runs beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.events.hint_sender import HintSender
from mesh.events.shapes import Consumer
from mesh.pages import PageTokens
from mesh.sealing import PersonSealer
from mesh.server import ServedService
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from mesh.telemetry import Telemetry
from svc_social.graph.actions import Followers, Relations
from svc_social.identity.actions import Profiles
from svc_social.notifications.actions import Choosing, Delivering, Inbox, Parting, Publishing, Receiving
from svc_social.notifications.consumers import NotifiedCreators, NotifiedPeople
from svc_social.notifications.couriers import Courier
from svc_social.notifications.service import NotificationServicer, notification_service
from svc_social.notifications.store import CommentStore, DeliveryStore, FanOutStore, GroupStore, InboxStore, PartingStore, SettingsStore
from svc_social.notifications.tables import Channel

NOTIFICATIONS_TOPIC = "social.notifications"
"""Hints that an inbox moved; the key is whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """What the app serves, what it feeds, and what it runs beside."""

    services: tuple[ServedService, ...]
    consumers: tuple[Consumer, ...]
    receiving: Receiving
    publishing: Publishing
    delivering: Delivering
    inbox: Inbox
    parting: Parting


def wire(
    *,
    tables: Tables,
    clock: Clock,
    next_id: Callable[[], int],
    page_token_key: bytes,
    profiles: Profiles,
    relations: Relations,
    followers: Followers,
    sealer: PersonSealer,
    named_requests: RequestLog,
    couriers: Mapping[Channel, Courier],
    hints: HintSender | None = None,
    telemetry: Telemetry | None = None,
) -> Notifications:
    """Notifications on one set of tables. `named_requests` keeps no plain hash of what may be guessed."""
    inboxes, settings = InboxStore(tables=tables, clock=clock, next_id=next_id), SettingsStore(tables=tables)
    choosing = Choosing(settings=settings, sealer=sealer, requests=named_requests, next_id=next_id)
    delivering = Delivering(
        deliveries=DeliveryStore(tables=tables),
        inboxes=inboxes,
        choosing=choosing,
        couriers=couriers,
        clock=clock,
        telemetry=telemetry,
    )
    receiving = Receiving(
        groups=GroupStore(tables=tables),
        heard_comments=CommentStore(tables=tables),
        partings=PartingStore(tables=tables),
        inboxes=inboxes,
        settings=settings,
        relations=relations,
        profiles=profiles,
        delivering=delivering,
        clock=clock,
        hints=hints,
    )
    publishing = Publishing(fan_outs=FanOutStore(tables=tables), followers=followers, receiving=receiving, clock=clock, telemetry=telemetry)
    inbox = Inbox(
        inboxes=inboxes,
        relations=relations,
        profiles=profiles,
        requests=RequestLog(tables, clock),
        tokens=PageTokens(page_token_key),
        next_id=next_id,
        hints=hints,
    )
    return Notifications(
        services=(notification_service(NotificationServicer(inbox=inbox, choosing=choosing)),),
        consumers=(NotifiedPeople(receiving=receiving), NotifiedCreators(receiving=receiving, publishing=publishing)),
        receiving=receiving,
        publishing=publishing,
        delivering=delivering,
        inbox=inbox,
        parting=Parting(receiving=receiving, next_id=next_id),
    )
