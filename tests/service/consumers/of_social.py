"""What social's own consumers hear: bonds, acts, comments, and everything that becomes a notification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import events_pb2 as pb
from clipmesh.video.v1 import events_pb2 as video_events
from clipmesh.video.v1 import video_service_pb2
from google.protobuf.message import Message

from mesh.sealing import KeptKeys, PersonSealer
from mesh.stores.tables.requests import RequestLog
from svc_social.comments import store as comment_store
from svc_social.comments.actions import Clearing
from svc_social.comments.actions.clearing import DUE_AFTER_MS
from svc_social.comments.consumers import DeletedVideos, PlaceComments, RankThreads
from svc_social.comments.tables import (
    Comment,
    CommentPlace,
    CommentState,
    CountedCommentLike,
    DeletedVideo,
    HeldComment,
    RankedThread,
    ThreadRank,
    VideoThread,
)
from svc_social.engagement import store as engagement_store
from svc_social.engagement.consumers import CountActs, ListActs
from svc_social.engagement.rules import Rates
from svc_social.engagement.tables import CountedAct, EngagedVideo
from svc_social.graph import store as graph_store
from svc_social.graph import wiring as graph_wiring
from svc_social.graph.consumers import CountedEdges, ListedPeople
from svc_social.graph.convert import bond_changed
from svc_social.graph.rules import Act, after, pair_of
from svc_social.graph.tables import Bond, Edge, ListedPerson
from svc_social.identity.actions import Profiles
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.people import People
from svc_social.identity.store import ROW_TYPES, AccountStore, NameStore, PersonKeyStore
from svc_social.identity.tables import Account
from svc_social.notifications import store as notifications_store
from svc_social.notifications import wiring as notifications_wiring
from svc_social.notifications.consumers import NotifiedCreators, NotifiedPeople
from svc_social.notifications.tables import FanOut, InboxEntry
from tests.service.consumers.orders import EVENTS_APART, FIRST_EVENT, NOW_MS, History, Told, Wired

ALICE, BOB, CARLA = 101, 102, 103
CLIP, OTHER = 201, 202
LIKE, SAVE, SHARE, REPOST = (
    engagement_pb.ENGAGEMENT_KIND_LIKE,
    engagement_pb.ENGAGEMENT_KIND_SAVE,
    engagement_pb.ENGAGEMENT_KIND_SHARE,
    engagement_pb.ENGAGEMENT_KIND_REPOST,
)
PUBLISHED, HELD, HIDDEN, REMOVED = (
    comment_pb.COMMENT_STATE_PUBLISHED,
    comment_pb.COMMENT_STATE_HELD,
    comment_pb.COMMENT_STATE_HIDDEN,
    comment_pb.COMMENT_STATE_REMOVED,
)


def bonds(*acts: tuple[Act, int, int]) -> list[Told]:
    """What is told of acts of people towards one another; Carla's account is private."""
    standing: dict[tuple[int, int], Bond] = {}
    told: list[Told] = []
    for number, (act, who, whom) in enumerate(acts):
        low, high = pair_of(who, whom)
        before = standing.get((low, high), Bond(low_id=low, high_id=high))
        changed = after(act, who, before, is_private=whom == CARLA, now_ms=NOW_MS + number * 1_000)
        now = standing[low, high] = Bond(**{**{name: getattr(changed, name) for name in Bond.__slots__}, "version": before.version + 1})
        told.append((f"{low}:{high}", now.version, bond_changed(before, now)))
    return told


def operation(number: int) -> int:
    """The id of an operation right before the event with a number, which is its place in the history."""
    return FIRST_EVENT + number * EVENTS_APART - 1


def acted(
    who: int, video: int, kind: engagement_pb.EngagementKind.ValueType, *states: tuple[int, bool], share_id: int = 0, collection_id: int = 0
) -> list[Told]:
    """What is told of an act that a person does and takes back: (number, active), as the operation before the event with that number, so many
    minutes after the first moment."""
    told: list[Told] = []
    before: tuple[int, bool] | None = None
    for number, active in states:
        message = pb.EngagementChanged(
            video_id=video,
            creator_id=ALICE,
            user_id=who,
            kind=kind,
            active=active,
            acted_at_ms=NOW_MS + number * 60_000,
            first_acted_at_ms=NOW_MS + states[0][0] * 60_000,
            share_id=share_id,
            collection_id=collection_id if active else 0,
        )
        if before is not None:
            message.before.CopyFrom(
                pb.ActBefore(active=before[1], acted_at_ms=NOW_MS + before[0] * 60_000, collection_id=collection_id if before[1] else 0)
            )
        told.append((f"{video}:{who}:{share_id or int(kind)}", operation(number), message))
        before = (number, active)
    return told


_SAYS: dict[int, Any] = {PUBLISHED: pb.CommentModerated, HELD: pb.CommentEdited, HIDDEN: pb.CommentModerated, REMOVED: pb.CommentRemoved}


def commented(
    comment_id: int, author: int, *states: int, answers: int = 0, answered: int = 0, mentions: Sequence[int] = (), below: bool = False
) -> list[Told]:
    """What is told of a comment on Alice's video, of each of its versions; `below` says that something stands below it."""
    told: list[Told] = []
    for version, state in enumerate(states, start=1):
        gone = state == REMOVED
        facts = pb.CommentFacts(
            comment_id=comment_id,
            video_id=CLIP,
            video_owner_id=ALICE,
            author_id=author,
            thread_id=answers or comment_id,
            parent_id=answers,
            answers_id=answers,
            answered_author_id=0 if gone else answered,
            mentioned_ids=() if gone else mentions,
            state=comment_pb.CommentState.ValueType(state),
            stands=state == PUBLISHED or (gone and below),
            posted_at_ms=NOW_MS + comment_id * 10,
        )
        kind = pb.CommentPosted if version == 1 else _SAYS[state]
        told.append((str(comment_id), version, kind(comment=facts)))
    return told


def liked(comment_id: int, thread_id: int, author: int, who: int, *states: tuple[int, bool]) -> list[Told]:
    """What is told of a like of a comment."""
    return [
        (
            f"{comment_id}:{who}",
            operation(number),
            pb.CommentLiked(
                comment_id=comment_id,
                thread_id=thread_id,
                video_id=CLIP,
                author_id=author,
                user_id=who,
                active=active,
                acted_at_ms=NOW_MS + number * 60_000,
                first_acted_at_ms=NOW_MS + states[0][0] * 60_000,
            ),
        )
        for number, active in states
    ]


# ── graph ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _graph(wired: Wired) -> Sequence[Any]:
    return (
        CountedEdges(edges=graph_store.EdgeStore(tables=wired.tables)),
        ListedPeople(lists=graph_store.ListStore(tables=wired.tables)),
    )


GRAPH = History(
    name="bonds",
    service="social",
    consumers=(CountedEdges, ListedPeople),
    rows=graph_store.ROW_TYPES,
    wire=_graph,
    happened=lambda: bonds(
        (Act.FOLLOW, ALICE, BOB),
        (Act.FOLLOW, BOB, ALICE),
        (Act.FOLLOW, ALICE, CARLA),
        (Act.APPROVE, CARLA, ALICE),
        (Act.UNFOLLOW, ALICE, BOB),
        (Act.MUTE, BOB, CARLA),
        (Act.FOLLOW, ALICE, BOB),
        (Act.BLOCK, BOB, ALICE),
        (Act.UNBLOCK, BOB, ALICE),
        (Act.FOLLOW, BOB, ALICE),
        (Act.REMOVE, CARLA, ALICE),
        (Act.FOLLOW, BOB, CARLA),
    ),
    views={
        Edge: lambda row: (row.user_id, row.direction, row.other_id) if row.present else None,
        ListedPerson: lambda row: (row.user_id, row.kind, row.since_ms, row.other_id),
    },
    expected=frozenset({("Edge", (ALICE, 1, BOB)), ("Edge", ALICE, 1, "size", 1), ("Edge", BOB, 3, "size", 1)}),
)


# ── engagement ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _engagement(wired: Wired) -> Sequence[Any]:
    counts = engagement_store.CountStore(tables=wired.tables, clock=wired.clock)
    rates = Rates(window_ms=10_000, busy_per_s=10**6)
    return (
        CountActs(counts=counts, clock=wired.clock, rates=rates),
        ListActs(lists=engagement_store.ListStore(tables=wired.tables)),
    )


ENGAGEMENT = History(
    name="acts",
    service="social",
    consumers=(CountActs, ListActs),
    rows=engagement_store.ROW_TYPES,
    wire=_engagement,
    happened=lambda: [
        *acted(BOB, CLIP, LIKE, (1, True), (5, False), (9, True)),
        *acted(CARLA, CLIP, LIKE, (2, True), (6, False)),
        *acted(BOB, CLIP, SAVE, (3, True), (7, True), collection_id=301),
        *acted(CARLA, OTHER, SAVE, (4, True), (8, False)),
        *acted(CARLA, CLIP, SHARE, (10, True), share_id=901),
        *acted(BOB, CLIP, REPOST, (11, True)),
        *commented(401, BOB, PUBLISHED, HIDDEN, PUBLISHED),
        *commented(402, CARLA, PUBLISHED, REMOVED),
    ],
    views={
        CountedAct: lambda row: (row.video_id, row.kind, row.member, row.source_version, row.present),
        EngagedVideo: lambda row: (row.user_id, row.kind, row.collection_id, row.acted_at_ms, row.video_id),
    },
    expected=frozenset({("CountedAct", CLIP, 1, "size", 1), ("CountedAct", CLIP, 5, "size", 1), ("CountedAct", CLIP, 3, "size", 1)}),
)


# ── comments ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _comments(wired: Wired) -> Sequence[Any]:
    tables = wired.tables
    return (
        PlaceComments(lists=comment_store.ListStore(tables=tables)),
        RankThreads(
            threads=comment_store.ThreadStore(tables=tables),
            likes=comment_store.LikeStore(tables=tables),
            ranks=comment_store.RankStore(tables=tables),
        ),
    )


async def _threads(wired: Wired, by: int) -> None:
    """The comments as they stand when they are heard of: scores are made of these."""
    for comment_id, author, state, children in ((401, BOB, CommentState.PUBLISHED, 1), (403, CARLA, CommentState.HIDDEN, 0)):
        await wired.tables.put(CommentPlace(comment_id=comment_id + by, video_id=CLIP + by, path=str(comment_id + by), version=1))
        await wired.tables.insert(
            Comment(
                thread_id=comment_id + by,
                revision=0,
                parent_id=0,
                comment_id=comment_id + by,
                path=str(comment_id + by),
                video_id=CLIP + by,
                owner_id=ALICE + by,
                author_id=author + by,
                state=state,
                posted_at_ms=NOW_MS,
                child_count=children,
            )
        )


COMMENTS = History(
    name="comments",
    service="social",
    consumers=(PlaceComments, RankThreads),
    rows=comment_store.ROW_TYPES,
    wire=_comments,
    prepare=_threads,
    happened=lambda: [
        *commented(401, BOB, HELD, PUBLISHED),
        *commented(402, ALICE, PUBLISHED, answers=401, answered=BOB),
        *commented(403, CARLA, PUBLISHED, HELD, HIDDEN),
        *commented(404, CARLA, HELD),
        *liked(401, 401, BOB, ALICE, (1, True), (4, False), (6, True)),
        *liked(401, 401, BOB, CARLA, (2, True)),
        *liked(402, 401, ALICE, BOB, (3, True), (5, False)),
    ],
    views={
        VideoThread: lambda row: (row.video_id, row.thread_id, row.version),
        HeldComment: lambda row: (row.owner_id, row.comment_id, row.version),
        ThreadRank: lambda row: (row.thread_id, row.score) if row.score >= 0 else None,
        RankedThread: lambda row: (row.video_id, row.score, row.thread_id),
        CountedCommentLike: lambda row: (row.comment_id, row.user_id, row.source_version, row.present),
    },
    expected=frozenset({("HeldComment", (ALICE, 404, 1)), ("CountedCommentLike", 401, "size", 2), ("VideoThread", (CLIP, 401, 2))}),
)


# ── notifications ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _notifications(wired: Wired) -> Sequence[Any]:
    tables, clock = wired.tables, wired.clock
    keys = IdentityKeys.from_secrets(email_hash_key=b"e" * 32, sealing_key=b"s" * 32)
    sealer = PersonSealer(keys=KeptKeys(PersonKeyStore(tables=tables, clock=clock, wrapping_key=keys.people), clock=clock))
    relations, requests = graph_wiring.relations_on(tables), RequestLog(tables, clock, body_key=keys.requests)
    profiles = Profiles(
        accounts=AccountStore(tables=tables),
        names=NameStore(tables=tables),
        words=People(sealer=sealer),
        keys=keys,
        requests=requests,
        next_id=wired.next_id,
        clock=clock,
        events=wired.events,
    )
    common: dict[str, Any] = {"tables": tables, "clock": clock, "next_id": wired.next_id, "page_token_key": b"p" * 32}
    graph = graph_wiring.wire(**common, events=wired.events, profiles=profiles, relations=relations)
    return notifications_wiring.wire(
        **common,
        profiles=profiles,
        relations=relations,
        followers=graph.followers,
        sealer=sealer,
        named_requests=requests,
        couriers={},
    ).consumers


async def _accounts(wired: Wired, by: int) -> None:
    for user_id in (ALICE, BOB, CARLA):
        await wired.tables.insert(Account(user_id=user_id + by, created_at_ms=1))


def _published(version: int, message: Message) -> Told:
    return str(CLIP), version, message


def _judged(version: int, kind: rights_pb.VerdictKind.ValueType, decided_by: int = 0) -> Told:
    verdict = rights_pb.Verdict(video_id=CLIP, kind=kind, version=version, decided_by=decided_by, decided_at_ms=NOW_MS + version)
    return str(CLIP), version, rights_events.VerdictChanged(verdict=verdict, creator_id=ALICE)


def _entry(row: InboxEntry) -> Any:
    if not row.place or not row.present:
        return None
    return row.user_id, row.kind, row.video_id, row.comment_id, row.count, tuple(sorted(map(int, row.actors.split()))), row.detail


NOTIFICATIONS = History(
    name="notifications",
    service="social",
    consumers=(NotifiedPeople, NotifiedCreators),
    rows=(*ROW_TYPES, *graph_store.ROW_TYPES, *notifications_store.ROW_TYPES),
    wire=_notifications,
    prepare=_accounts,
    happened=lambda: [
        # The block is the seventh event: what Carla did before it is gone for Alice, what she does after it is not.
        *bonds(
            (Act.FOLLOW, BOB, ALICE),
            (Act.FOLLOW, BOB, CARLA),
            (Act.APPROVE, CARLA, BOB),
            (Act.FOLLOW, ALICE, BOB),
            (Act.UNFOLLOW, ALICE, BOB),
            (Act.FOLLOW, CARLA, ALICE),
            (Act.MUTE, ALICE, CARLA),
            (Act.BLOCK, ALICE, CARLA),
            (Act.UNBLOCK, ALICE, CARLA),
            (Act.UNMUTE, ALICE, CARLA),
            (Act.FOLLOW, CARLA, ALICE),
        ),
        *acted(BOB, CLIP, LIKE, (1, True), (5, False), (9, True)),
        *acted(CARLA, CLIP, LIKE, (2, True)),
        *acted(CARLA, CLIP, REPOST, (3, True), (4, False), (20, True)),
        *acted(CARLA, CLIP, SHARE, (21, True), share_id=901),
        *commented(405, CARLA, PUBLISHED),
        *commented(1_500, CARLA, PUBLISHED),
        *commented(401, BOB, PUBLISHED),
        *commented(402, CARLA, PUBLISHED, answers=401, answered=BOB, mentions=[BOB]),
        *commented(403, CARLA, HELD, PUBLISHED),
        *commented(404, BOB, PUBLISHED, REMOVED, mentions=[CARLA]),
        *liked(401, 401, BOB, CARLA, (1, True), (4, False), (6, True)),
        ("701", 2, pb.RefreshTokenReused(session_id=701, user_id=ALICE, detected_at_ms=NOW_MS)),
        _published(
            3,
            video_events.VideoPublished(
                video=video_service_pb2.Video(
                    video_id=CLIP, creator_id=ALICE, visibility=video_service_pb2.VISIBILITY_PUBLIC, published_at_ms=NOW_MS
                )
            ),
        ),
        _judged(1, rights_pb.VERDICT_KIND_REVIEW),
        _judged(2, rights_pb.VERDICT_KIND_ALLOW, 5),
        (str(OTHER), 2, video_events.MediaFailed(video_id=OTHER, creator_id=ALICE, reason="NOT_A_VIDEO")),
    ],
    views={
        InboxEntry: _entry,
        FanOut: lambda row: (row.video_id, row.creator_id, row.friends_only, row.published_at_ms),
    },
    expected=frozenset(
        {
            ("InboxEntry", (ALICE, 4, CLIP, 0, 1, (BOB,), "")),
            ("InboxEntry", (ALICE, 5, CLIP, 0, 1, (CARLA,), "")),
            ("InboxEntry", (ALICE, 7, CLIP, 0, 2, (BOB, CARLA), "")),
            ("InboxEntry", (ALICE, 1, 0, 0, 2, (BOB, CARLA), "")),
            ("InboxEntry", (BOB, 8, CLIP, 401, 1, (CARLA,), "")),
        }
    ),
)


# ── videos that are gone ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _gone(wired: Wired) -> Sequence[Any]:
    stores: Any = {"threads": comment_store.ThreadStore(tables=wired.tables), "choices": comment_store.ChoiceStore(tables=wired.tables)}
    beside: Any = None
    """What is done later, beside the consumer."""
    clearing = Clearing(
        gone=comment_store.GoneStore(tables=wired.tables), **stores, liking=beside, telling=beside, acts_of_video=beside, clock=wired.clock
    )
    return (DeletedVideos(clearing=clearing),)


GONE = History(
    name="videos that are gone",
    service="social",
    consumers=(DeletedVideos,),
    rows=comment_store.ROW_TYPES,
    wire=_gone,
    happened=lambda: [
        (str(video_id), 9, video_events.VideoDeleted(video_id=video_id, creator_id=ALICE)) for video_id in (CLIP, OTHER, 203)
    ],
    views={DeletedVideo: lambda row: (row.video_id, row.due_at_ms)},
    expected=frozenset({("DeletedVideo", (OTHER, NOW_MS + 2_000 + DUE_AFTER_MS))}),
)

HISTORIES = (GRAPH, ENGAGEMENT, COMMENTS, NOTIFICATIONS, GONE)
