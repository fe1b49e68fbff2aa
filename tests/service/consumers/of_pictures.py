"""What the consumers of video hear that make or remove something: which picture a person shows, and how often a clip is watched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from clipmesh.feed.v1 import events_pb2 as feed_events
from clipmesh.social.v1 import events_pb2 as social_events

from svc_video.images.actions import ImageActions
from svc_video.images.consumers import AvatarsOfPeople
from svc_video.images.rules import Limits
from svc_video.images.store import ImageStore
from svc_video.images.tables import IMAGE_TABLES, ImageShelf, UnsettledImage
from svc_video.processing.consumers import ViewsOfFeed
from svc_video.processing.store import ViewStore
from svc_video.processing.tables import ClipViews
from tests.service.consumers.orders import NOW_MS, History, Told, Wired

ALICE, BOB = 101, 102
CLIP, OTHER = 201, 202


async def _shelves(wired: Wired, by: int) -> None:
    for owner_id, held in ((ALICE, (501, 502, 503)), (BOB, (511,))):
        await wired.tables.insert(ImageShelf(owner_id=owner_id + by, held_ids=" ".join(str(one + by) for one in held)))


def _pictures(wired: Wired) -> Sequence[Any]:
    nothing = cast("Any", None)
    images = ImageActions(
        store=ImageStore(tables=wired.tables),
        endings=nothing,
        blobs=nothing,
        requests=nothing,
        next_id=wired.next_id,
        clock=wired.clock,
        sign=bytes,
        squares=nothing,
        limits=cast("Limits", nothing),
    )
    return (AvatarsOfPeople(images=images),)


def _shows(version: int, who: int, image_id: int) -> Told:
    facts = social_events.ProfileFacts(user_id=who, created_at_ms=NOW_MS, version=version, avatar_id=image_id)
    return str(who), version, social_events.ProfileChanged(facts=facts)


PICTURES = History(
    name="pictures of people",
    service="video",
    consumers=(AvatarsOfPeople,),
    rows=IMAGE_TABLES,
    wire=_pictures,
    prepare=_shelves,
    happened=lambda: [
        _shows(1, ALICE, 501),
        _shows(1, BOB, 511),
        _shows(2, ALICE, 502),
        _shows(3, ALICE, 502),
        _shows(4, ALICE, 503),
        _shows(2, BOB, 511),
    ],
    # The sweeper asks social which of them is shown before it removes one.
    views={UnsettledImage: lambda row: (row.image_id, row.owner_id)},
    expected=frozenset(("UnsettledImage", (image_id, ALICE)) for image_id in (501, 502, 503)),
    unexpected=frozenset({("UnsettledImage", (511, BOB))}),
)


class _NeverEnough:
    async def viewed(self, video_id: int, views: int) -> bool:
        return False


def _watched(version: int, video_id: int, day: int, *, counted: bool = True) -> Told:
    return f"{video_id}:{day}", version, feed_events.WatchRecorded(video_id=video_id, watched_ms=2_000, counted_view=counted, at_ms=NOW_MS)


VIEWS = History(
    name="views of clips",
    service="video",
    consumers=(ViewsOfFeed,),
    rows=(ClipViews,),
    wire=lambda wired: (ViewsOfFeed(store=ViewStore(tables=wired.tables), jobs=_NeverEnough()),),
    happened=lambda: [
        _watched(1, CLIP, 1),
        _watched(1, OTHER, 1, counted=False),
        _watched(2, CLIP, 1),
        _watched(1, CLIP, 2),
        _watched(3, CLIP, 1, counted=False),
        _watched(4, CLIP, 1),
        _watched(2, OTHER, 1),
    ],
    views={ClipViews: lambda row: (row.video_id, row.ledger_key, row.views, row.source_version)},
    # What is not newer than the last of its key was counted before.
    in_key_order=True,
    expected=frozenset(
        {
            ("ClipViews", (CLIP, f"{CLIP}:1", 3, 4)),
            ("ClipViews", (CLIP, f"{CLIP}:2", 1, 1)),
            ("ClipViews", (OTHER, f"{OTHER}:1", 1, 2)),
        }
    ),
)

HISTORIES = (PICTURES, VIEWS)
