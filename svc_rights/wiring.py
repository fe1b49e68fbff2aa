"""Publication and reviews put together; each knows the other only by its actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.events.event import EventMaker
from mesh.pages import PageTokens
from mesh.server import ServedService
from mesh.stores.tables.port import Tables
from svc_rights.publication.actions import BlockList, Publications
from svc_rights.publication.policy import Policy
from svc_rights.publication.service import PublicationServicer, publication_service
from svc_rights.publication.store import BlockedHashStore, VerdictStore
from svc_rights.publication.tables import BlockedHash, Verdict
from svc_rights.publication.text_service import TextPolicyServicer, text_policy_service
from svc_rights.publication.texts import TextPolicy
from svc_rights.publication.words import WordLists
from svc_rights.reviews.actions import ReviewQueue, Reviews
from svc_rights.reviews.service import ReviewServicer, review_service
from svc_rights.reviews.store import ReviewStore
from svc_rights.reviews.tables import QueueEntry, Review

ROW_TYPES: tuple[type, ...] = (BlockedHash, QueueEntry, Review, Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the app serves."""

    services: tuple[ServedService, ...]
    block_list: BlockList


def wire(*, tables: Tables, clock: Clock, next_id: Callable[[], int], events: EventMaker, policy: Policy, tokens: PageTokens) -> Rights:
    """Rights on one set of tables; `block_list.load()` comes before the first call."""
    review_store = ReviewStore(tables=tables)
    queue = ReviewQueue(store=review_store, clock=clock)
    block_list = BlockList(store=BlockedHashStore(tables=tables), clock=clock)
    words = WordLists(policy.words)
    publications = Publications(
        store=VerdictStore(tables=tables),
        block_list=block_list,
        policy=policy,
        words=words,
        desk=queue,
        next_id=next_id,
        clock=clock,
        events=events,
    )
    reviews = Reviews(store=review_store, queue=queue, publications=publications)
    return Rights(
        services=(
            publication_service(PublicationServicer(publications=publications, block_list=block_list, tokens=tokens)),
            review_service(ReviewServicer(reviews=reviews, tokens=tokens)),
            text_policy_service(TextPolicyServicer(policy=TextPolicy(policy=policy, words=words))),
        ),
        block_list=block_list,
    )
