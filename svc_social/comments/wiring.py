"""Comments put together: their stores, their actions, their gRPC service and their consumers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.events.shapes import Consumer
from mesh.ids import NextId
from mesh.pages import PageTokens
from mesh.permits import Permits
from mesh.sealing import PersonSealer
from mesh.server import ServedService
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from svc_social.comments.actions import Clearing, Filtering, Liking, Moderating, Reading, Showing, Telling, Writing
from svc_social.comments.consumers import DeletedVideos, PlaceComments, RankThreads
from svc_social.comments.policy import TextPolicy
from svc_social.comments.service import CommentServicer, comment_service
from svc_social.comments.store import ChoiceStore, GoneStore, LikeStore, ListStore, RankStore, ThreadStore
from svc_social.graph.actions import Relations
from svc_social.identity.actions import Profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Comments:
    """What the app serves and what it feeds."""

    services: tuple[ServedService, ...]
    consumers: tuple[Consumer, ...]
    writing: Writing
    reading: Reading
    clearing: Clearing


def wire(
    *,
    tables: Tables,
    clock: Clock,
    next_id: NextId,
    events: EventMaker,
    permits: Permits,
    page_token_key: bytes,
    profiles: Profiles,
    relations: Relations,
    sealer: PersonSealer,
    requests: RequestLog,
    policy: TextPolicy,
    acts_of_video: Callable[[int], Awaitable[object]] | None = None,
) -> Comments:
    """Comments on one set of tables. `acts_of_video` takes back what people did with a video that is gone, where anybody can. `requests` keeps keyed hashes of bodies, since there are words of people in them."""
    threads, lists, ranks = ThreadStore(tables=tables), ListStore(tables=tables), RankStore(tables=tables)
    likes, choices = LikeStore(tables=tables), ChoiceStore(tables=tables)
    telling = Telling(events=events, lists=lists)
    filtering = Filtering(choices=choices, sealer=sealer, requests=requests, next_id=next_id)
    writing = Writing(
        threads=threads,
        filtering=filtering,
        policy=policy,
        sealer=sealer,
        profiles=profiles,
        relations=relations,
        requests=requests,
        permits=permits,
        telling=telling,
        next_id=next_id,
        clock=clock,
    )
    reading = Reading(
        threads=threads,
        lists=lists,
        ranks=ranks,
        choices=choices,
        showing=Showing(likes=likes, sealer=sealer, profiles=profiles, relations=relations),
        permits=permits,
    )
    liking = Liking(
        threads=threads,
        likes=likes,
        relations=relations,
        requests=requests,
        permits=permits,
        next_id=next_id,
        events=events,
    )
    clearing = Clearing(
        gone=GoneStore(tables=tables),
        threads=threads,
        choices=choices,
        liking=liking,
        telling=telling,
        acts_of_video=acts_of_video,
        clock=clock,
    )
    servicer = CommentServicer(
        writing=writing,
        moderating=Moderating(threads=threads, choices=choices, requests=requests, telling=telling, next_id=next_id, clock=clock),
        liking=liking,
        filtering=filtering,
        reading=reading,
        tokens=PageTokens(page_token_key),
    )
    return Comments(
        services=(comment_service(servicer),),
        consumers=(PlaceComments(lists=lists), RankThreads(threads=threads, likes=likes, ranks=ranks), DeletedVideos(clearing=clearing)),
        writing=writing,
        reading=reading,
        clearing=clearing,
    )
