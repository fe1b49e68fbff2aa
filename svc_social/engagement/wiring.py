"""Engagement put together: its stores, its actions, its gRPC service and its consumers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.events.hint_sender import HintSender
from mesh.events.shapes import Consumer
from mesh.pages import PageTokens
from mesh.permits import Permits
from mesh.sealing import PersonSealer
from mesh.server import ServedService
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from svc_social.engagement.actions import Acting, Clearing, Collecting, Reading
from svc_social.engagement.consumers import CountActs, ListActs
from svc_social.engagement.rules import Rates
from svc_social.engagement.service import EngagementServicer, engagement_service
from svc_social.engagement.store import ActStore, CollectionStore, CountStore, ListStore
from svc_social.graph.actions import Relations
from svc_social.identity.actions import Profiles

COUNTERS_TOPIC = "social.counters"
"""Hints that the counts of a video moved; the key is its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """What the app serves and what it feeds."""

    services: tuple[ServedService, ...]
    consumers: tuple[Consumer, ...]
    acting: Acting
    reading: Reading
    clearing: Clearing


def wire(
    *,
    tables: Tables,
    clock: Clock,
    next_id: Callable[[], int],
    events: EventMaker,
    permits: Permits,
    page_token_key: bytes,
    profiles: Profiles,
    relations: Relations,
    sealer: PersonSealer,
    named_requests: RequestLog,
    rates: Rates,
    hints: HintSender | None = None,
) -> Engagement:
    """Engagement on one set of tables. `named_requests` remembers requests that have words of people in them."""
    acts, collections = ActStore(tables=tables), CollectionStore(tables=tables)
    counts, lists = CountStore(tables=tables, clock=clock), ListStore(tables=tables)
    requests = RequestLog(tables, clock)
    reading = Reading(acts=acts, counts=counts, lists=lists, collections=collections, profiles=profiles, relations=relations)
    acting = Acting(acts=acts, collections=collections, requests=requests, permits=permits, next_id=next_id, events=events)
    servicer = EngagementServicer(
        acting=acting,
        collecting=Collecting(collections=collections, sealer=sealer, requests=named_requests, next_id=next_id, clock=clock),
        reading=reading,
        tokens=PageTokens(page_token_key),
    )
    return Engagement(
        services=(engagement_service(servicer),),
        consumers=(CountActs(counts=counts, clock=clock, rates=rates, hints=hints), ListActs(lists=lists)),
        acting=acting,
        reading=reading,
        clearing=Clearing(acts=acts, next_id=next_id, events=events),
    )
