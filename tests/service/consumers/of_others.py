"""What the consumers of feed, sound and video hear: acts and consents, publications, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import events_pb2 as social_events
from clipmesh.video.v1 import events_pb2 as video_events
from clipmesh.video.v1 import video_service_pb2

from svc_feed.affinities.actions import Affinities
from svc_feed.affinities.consumers import Comments, Engagements
from svc_feed.affinities.store import AffinityStore
from svc_feed.affinities.tables import ViewerComment, ViewerEngagement
from svc_feed.consents.actions import Withdrawals
from svc_feed.consents.consumers import ConsentsWithdrawn
from svc_feed.consents.store import WithdrawalStore
from svc_feed.consents.tables import Withdrawal
from svc_feed.foryou.consumers import FeedVideos
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.tables import FeedVideo
from svc_sound.usage.consumers import SoundUses
from svc_sound.usage.store import UsageStore
from svc_sound.usage.tables import SoundUse, VideoSound
from svc_video.videos.changes import VideoChanges, Wakeups
from svc_video.videos.consumers import VerdictsOfRights
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import MediaState, OpenWork, PublicationState, Video
from tests.service.consumers.orders import NOW_MS, History, Told, Wired

ALICE, BOB, CREATOR = 101, 102, 109
CLIP, OTHER = 201, 202
PERSONAL = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION
PUBLIC, ONLY_ME = video_service_pb2.VISIBILITY_PUBLIC, video_service_pb2.VISIBILITY_ONLY_ME

# ── feed ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _act(
    version: int, who: int, *, kind: int = engagement_pb.ENGAGEMENT_KIND_LIKE, active: bool = True, consent: bool = True, at: int
) -> Told:
    message = social_events.EngagementChanged(
        video_id=CLIP,
        creator_id=CREATOR,
        user_id=who,
        kind=engagement_pb.EngagementKind.ValueType(kind),
        active=active,
        acted_at_ms=NOW_MS + at * 1_000,
        personalisation=consent,
    )
    return f"{CLIP}:{who}:{kind}", version, message


def _comment(version: int, comment_id: int, who: int, state: comment_pb.CommentState.ValueType, *, consent: bool = True) -> Told:
    facts = social_events.CommentFacts(
        comment_id=comment_id,
        video_id=CLIP,
        video_owner_id=CREATOR,
        author_id=who,
        state=state,
        posted_at_ms=NOW_MS + comment_id * 10,
        personalisation=consent,
    )
    if state == comment_pb.COMMENT_STATE_REMOVED:
        return str(comment_id), version, social_events.CommentRemoved(comment=facts)
    return str(comment_id), version, (social_events.CommentPosted if version == 1 else social_events.CommentModerated)(comment=facts)


def _tastes(wired: Wired) -> Sequence[Any]:
    engaged, withdrawals = AffinityStore(tables=wired.tables), Withdrawals(store=WithdrawalStore(tables=wired.tables))
    affinities = Affinities(store=engaged, withdrawals=withdrawals, clock=wired.clock)
    return (
        Engagements(store=engaged, withdrawals=withdrawals),
        Comments(store=engaged, withdrawals=withdrawals),
        ConsentsWithdrawn(withdrawals=withdrawals, keeping=(affinities,)),
    )


TASTES = History(
    name="tastes and consents",
    service="feed",
    consumers=(Engagements, Comments, ConsentsWithdrawn),
    rows=(ViewerEngagement, ViewerComment, Withdrawal),
    wire=_tastes,
    happened=lambda: [
        _act(1, ALICE, at=0),
        _act(2, BOB, at=1),
        _comment(1, 401, ALICE, comment_pb.COMMENT_STATE_PUBLISHED),
        _comment(1, 402, BOB, comment_pb.COMMENT_STATE_HELD),
        # The fifth and the seventh event are moments: the withdrawal is one of five seconds, the consent of seven.
        (str(ALICE), 2, social_events.ConsentsChanged(user_id=ALICE, consents=[])),
        _act(6, BOB, at=5, active=False),
        (str(ALICE), 3, social_events.ConsentsChanged(user_id=ALICE, consents=[PERSONAL])),
        _act(8, ALICE, at=8, kind=engagement_pb.ENGAGEMENT_KIND_SAVE),
        _act(9, ALICE, at=9, consent=False, kind=engagement_pb.ENGAGEMENT_KIND_REPOST),
        _comment(2, 402, BOB, comment_pb.COMMENT_STATE_PUBLISHED),
        _comment(1, 403, BOB, comment_pb.COMMENT_STATE_PUBLISHED),
        _comment(2, 403, BOB, comment_pb.COMMENT_STATE_REMOVED, consent=False),
        _act(12, BOB, at=12, kind=engagement_pb.ENGAGEMENT_KIND_SAVE),
        _act(13, BOB, at=13, kind=engagement_pb.ENGAGEMENT_KIND_SAVE, consent=False),
    ],
    views={
        ViewerEngagement: lambda row: (row.viewer_id, row.creator_id, row.video_id, row.kind, row.active, row.acted_at_ms, row.version),
        ViewerComment: lambda row: (row.viewer_id, row.creator_id, row.comment_id, row.active, row.acted_at_ms, row.version),
        Withdrawal: lambda row: (row.viewer_id, row.withdrawn_at_ms),
    },
    expected=frozenset(
        {
            ("ViewerEngagement", (ALICE, CREATOR, CLIP, 2, True, NOW_MS + 8_000, 8)),
            ("ViewerEngagement", (BOB, CREATOR, CLIP, 1, False, NOW_MS + 5_000, 6)),
            ("ViewerComment", (BOB, CREATOR, 402, True, NOW_MS + 4_020, 2)),
            ("Withdrawal", (ALICE, NOW_MS + 5_000)),
        }
    ),
)


def _video(video_id: int, version: int, *, sound_id: int = 0, visibility: int = PUBLIC, recommendable: bool = True) -> Told:
    video = video_service_pb2.Video(
        video_id=video_id,
        creator_id=CREATOR,
        state=video_service_pb2.VIDEO_STATE_READY,
        visibility=video_service_pb2.Visibility.ValueType(visibility),
        duration_ms=20_000 + version,
        published_at_ms=NOW_MS,
        recommendable=recommendable,
        sound_id=sound_id,
    )
    kind = video_events.VideoPublished if version == 1 else video_events.VideoChanged
    return str(video_id), version, kind(video=video)


def _gone(video_id: int, version: int) -> Told:
    return str(video_id), version, video_events.VideoWithdrawn(video_id=video_id, creator_id=CREATOR)


def _publications() -> list[Told]:
    return [
        _video(CLIP, 1, sound_id=301),
        _video(OTHER, 1, sound_id=301),
        _video(CLIP, 2, sound_id=302),
        _gone(OTHER, 2),
        _video(203, 1, sound_id=302),
        _video(CLIP, 3, sound_id=302, recommendable=False),
        _video(OTHER, 3, sound_id=301),
        _video(203, 2, sound_id=302, visibility=ONLY_ME),
        _gone(203, 3),
    ]


CORPUS = History(
    name="videos of the feed",
    service="feed",
    consumers=(FeedVideos,),
    rows=(FeedVideo,),
    wire=lambda wired: (FeedVideos(corpus=Corpus()),),
    happened=_publications,
    views={FeedVideo: lambda row: (row.video_id, row.duration_ms, row.recommendable, row.version)},
    expected=frozenset({("FeedVideo", (CLIP, 20_003, False, 3)), ("FeedVideo", (OTHER, 20_003, True, 3))}),
)

# ── sound ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

SOUNDS = History(
    name="uses of sounds",
    service="sound",
    consumers=(SoundUses,),
    rows=(SoundUse, VideoSound),
    wire=lambda wired: (SoundUses(store=UsageStore(tables=wired.tables)),),
    happened=_publications,
    views={
        # A use that is over, and one that was never heard of, are the same to everybody who asks.
        SoundUse: lambda row: (row.sound_id, row.video_id, row.version) if row.public else None,
        VideoSound: lambda row: (row.video_id, row.public, row.version),
    },
    expected=frozenset({("SoundUse", (302, CLIP, 3)), ("SoundUse", (301, OTHER, 3)), ("VideoSound", (203, False, 3))}),
    unexpected=frozenset({("SoundUse", (301, CLIP, 1)), ("SoundUse", (302, 203, 1))}),
)

# ── video ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _clips(wired: Wired, by: int) -> None:
    for video_id, state in ((CLIP, PublicationState.PUBLISHED), (OTHER, PublicationState.IN_REVIEW), (203, PublicationState.DRAFT)):
        row = Video(
            video_id=video_id + by,
            creator_id=CREATOR + by,
            media_state=MediaState.COMPLETE,
            publication_state=state,
            publication_version=1,
            probed=True,
            created_at_ms=NOW_MS,
            published_at_ms=NOW_MS,
        )
        await wired.tables.insert(row)


def _verdict(video_id: int, version: int, kind: rights_pb.VerdictKind.ValueType, *, publication: int = 1) -> Told:
    verdict = rights_pb.Verdict(video_id=video_id, kind=kind, version=version, publication_version=publication, decided_at_ms=NOW_MS)
    return str(video_id), version, rights_events.VerdictChanged(verdict=verdict, creator_id=CREATOR)


async def _nowhere(video_id: int, epoch: int) -> None:
    """The media edge hears of it elsewhere."""


def _verdicts(wired: Wired) -> Sequence[Any]:
    changes = VideoChanges(
        store=VideoStore(tables=wired.tables), events=wired.events, clock=wired.clock, wakeups=Wakeups(), revoke=_nowhere
    )
    return (VerdictsOfRights(changes=changes),)


_ALLOW, _LIMIT, _REVIEW, _BLOCK = (
    rights_pb.VERDICT_KIND_ALLOW,
    rights_pb.VERDICT_KIND_LIMIT,
    rights_pb.VERDICT_KIND_REVIEW,
    rights_pb.VERDICT_KIND_BLOCK,
)
VERDICTS = History(
    name="verdicts",
    service="video",
    consumers=(VerdictsOfRights,),
    rows=(Video, OpenWork),
    wire=_verdicts,
    prepare=_clips,
    happened=lambda: [
        _verdict(CLIP, 1, _LIMIT),
        _verdict(OTHER, 1, _ALLOW),
        _verdict(CLIP, 2, _BLOCK),
        _verdict(203, 1, _ALLOW),
        _verdict(CLIP, 3, _REVIEW),
        _verdict(OTHER, 2, _BLOCK),
        _verdict(204, 1, _BLOCK),
        _verdict(CLIP, 4, _ALLOW),
        _verdict(OTHER, 3, _LIMIT),
    ],
    views={Video: lambda row: (row.video_id, row.publication_state, row.verdict_version, row.epoch, row.version)},
    # A refusal is another thing after a publication than before it: what a verdict does depends on the one before.
    in_key_order=True,
    expected=frozenset(
        {
            ("Video", (203, PublicationState.DRAFT, 0, 1, 1)),
        }
    ),
)

HISTORIES = (TASTES, CORPUS, SOUNDS, VERDICTS)
