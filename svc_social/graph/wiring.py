"""The graph put together: its stores, its actions, its gRPC service and the consumers of its own events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from clipmesh.social.v1.events_pb2 import BondChanged

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.events.shapes import Consumer
from mesh.pages import PageTokens
from mesh.server import ServedService
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from svc_social.graph.actions import Acts, Followers, GraphLists, Relations
from svc_social.graph.consumers import CountedEdges, ListedPeople
from svc_social.graph.service import GraphServicer, graph_service
from svc_social.graph.store import BondStore, EdgeStore, ListStore
from svc_social.identity.actions import Profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What the app serves and runs beside."""

    services: tuple[ServedService, ...]
    consumers: tuple[Consumer, ...]
    followers: Followers


def relations_on(tables: Tables) -> Relations:
    """What other areas ask of two people."""
    return Relations(bonds=BondStore(tables=tables))


def wire(
    *,
    tables: Tables,
    clock: Clock,
    next_id: Callable[[], int],
    events: EventMaker,
    page_token_key: bytes,
    profiles: Profiles,
    relations: Relations,
    told: Callable[[BondChanged], Awaitable[None]] | None = None,
) -> Graph:
    """The graph on one set of tables. `told` hears of each change before whoever made it hears that it is done; it never raises."""
    bonds, edges, lists = BondStore(tables=tables), EdgeStore(tables=tables), ListStore(tables=tables)
    servicer = GraphServicer(
        acts=Acts(
            bonds=bonds,
            edges=edges,
            profiles=profiles,
            requests=RequestLog(tables, clock),
            next_id=next_id,
            clock=clock,
            events=events,
            told=told,
        ),
        lists=GraphLists(bonds=bonds, edges=edges, lists=lists, relations=relations, profiles=profiles, tokens=PageTokens(page_token_key)),
        relations=relations,
    )
    return Graph(
        services=(graph_service(servicer),),
        consumers=(CountedEdges(edges=edges), ListedPeople(lists=lists)),
        followers=Followers(lists=lists, relations=relations),
    )
