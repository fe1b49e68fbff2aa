"""Every field of feed's protos has its noun, and every noun reaches its proto."""

from __future__ import annotations

import dataclasses
from typing import Any

from clipmesh.common.v1 import category_pb2
from clipmesh.feed.v1 import events_pb2, feed_service_pb2, signal_service_pb2
from clipmesh.video.v1 import events_pb2 as video_events_pb2
from clipmesh.video.v1 import video_service_pb2
from google.protobuf.message import Message

from svc_feed.foryou.actions import ForYouPage, Item
from svc_feed.foryou.convert import count_to_proto, item_to_proto, page_to_proto, video_from_proto, withdrawn_from_proto
from svc_feed.foryou.stages import Count
from svc_feed.foryou.tables import FeedVideo
from svc_feed.signals.convert import (
    impressions_to_proto,
    offer_from_proto,
    report_from_proto,
    view_count_to_proto,
    view_token_to_proto,
    watch_to_proto,
)
from svc_feed.signals.rules import Counted, Report
from svc_feed.signals.tokens import Offer, ViewToken, ViewTokens
from svc_feed.signed import Signer
from svc_feed.viewers import Watcher

ALICE = Watcher(user_id=9, key="9", pace_key="9", personal=True, languages=())
NOBODY = dataclasses.replace(ALICE, personal=False)
COUNT = Count("select", 1, 2, 3, failed=True)
ITEM = Item(video_id=1, sources=("fresh",), score=2.0, view_token="v", cursor="c")
PAGE = ForYouPage(
    items=(ITEM,), reserve=(ITEM, ITEM), feed_session_id="s", served_by="personal", degraded=("serve",), has_more=True, stages=(COUNT,)
)
OFFER = Offer(
    video_id=1,
    creator_id=2,
    duration_ms=3,
    surface=4,
    slot=5,
    category=6,
    hashtags="a b",
    session="s",
    source_mask=7,
    model_version="m",
    selection_probability=0.5,
    spare=True,
    token_id="t",
    offered_at_ms=8,
)
TOKEN = ViewToken(
    token_id="t",
    video_id=1,
    creator_id=2,
    duration_ms=3,
    viewer_key="9",
    surface=4,
    session="s",
    minted_at_ms=8,
    slot=5,
    source_mask=7,
    model_version="m",
    selection_probability=0.5,
    category=6,
    hashtags="a b",
)
VIDEO = video_service_pb2.Video(
    video_id=1,
    creator_id=2,
    duration_ms=3,
    category=category_pb2.CATEGORY_COMEDY,
    hashtags=["a", "b"],
    language="de",
    sound_id=4,
    published_at_ms=5,
    recommendable=True,
)


def fields_of(noun: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(noun)}


def told(message: Message) -> set[str]:
    return {field.name for field, _ in message.ListFields()}


def declared(message: Message | type[Message]) -> set[str]:
    return {field.name for field in message.DESCRIPTOR.fields}


def assert_full(noun: Any) -> None:
    """That a noun of a test differs from what is left out, in every field."""
    assert all(getattr(noun, name) not in (0, "", 0.0, (), None, False) for name in fields_of(noun)), noun


def test_the_nouns_of_these_tests_are_full() -> None:
    for noun in (COUNT, ITEM, PAGE, OFFER, TOKEN):
        assert_full(noun)


def test_every_field_of_a_page_is_told_under_its_name() -> None:
    for noun, message in ((COUNT, count_to_proto(COUNT)), (ITEM, item_to_proto(ITEM)), (PAGE, page_to_proto(PAGE))):
        assert told(message) == declared(message) == fields_of(noun)
    assert list(page_to_proto(PAGE).reserve) == [item_to_proto(ITEM)] * 2
    assert item_to_proto(ITEM) == feed_service_pb2.FeedItem(video_id=1, view_token="v", cursor="c", sources=["fresh"], score=2.0)


def test_a_copy_holds_what_video_tells_under_its_name() -> None:
    copy = video_from_proto(VIDEO, version=7)
    assert_full(copy)
    assert fields_of(FeedVideo) - declared(VIDEO) == set()
    assert told(VIDEO) | {"version"} == fields_of(FeedVideo)
    for name in told(VIDEO) - {"hashtags"}:
        assert getattr(copy, name) == getattr(VIDEO, name)
    assert (copy.hashtags, copy.version) == ("a b", 7)


def test_a_withdrawn_video_is_left_as_no_candidate() -> None:
    withdrawn = video_events_pb2.VideoWithdrawn(video_id=1, creator_id=2)
    assert withdrawn_from_proto(withdrawn, version=7) == FeedVideo(video_id=1, creator_id=2, version=7)


def test_every_field_of_a_report_is_read() -> None:
    report = signal_service_pb2.WatchReport(event_id="event-id", view_token="v", watched_ms=1, loops=2, paused=True, at_ms=3)
    assert told(report) == declared(report) == fields_of(Report) | {"view_token"}
    read = report_from_proto(report)
    assert {name: getattr(read, name) for name in fields_of(Report)} == {name: getattr(report, name) for name in fields_of(Report)}


def test_an_offer_outside_the_feed_holds_what_video_tells() -> None:
    offer = offer_from_proto(VIDEO, surface=4, slot=5)
    for name in fields_of(Offer) & declared(VIDEO) - {"hashtags"}:
        assert getattr(offer, name) == getattr(VIDEO, name)
    assert (offer.hashtags, offer.surface, offer.slot, offer.session, offer.spare) == ("a b", 4, 5, "", False)
    assert offer.token_id != offer_from_proto(VIDEO, surface=4, slot=5).token_id


def test_every_field_of_an_offer_is_told_as_its_impression() -> None:
    served = impressions_to_proto([OFFER, dataclasses.replace(OFFER, slot=6)], ALICE)
    assert told(served) == declared(served)
    assert (served.feed_session_id, served.viewer_id, served.policy, served.surface) == ("s", 9, "m", 4)
    for impression, slot in zip(served.impressions, (5, 6), strict=True):
        assert told(impression) == declared(impression)
        for name in declared(impression) - {"slot"}:
            assert getattr(impression, name) == getattr(OFFER, name)
        assert impression.slot == slot


def test_every_field_of_a_watch_is_told() -> None:
    report = Report(event_id="e", watched_ms=1_000, loops=20, paused=True, at_ms=11)
    counted = Counted(watched_ms=12, loops=13, share_before=0.25, share_after=0.5, makes_view=True)
    watch = watch_to_proto(TOKEN, report, counted, ALICE)
    assert told(watch) == declared(watch)
    assert watch == events_pb2.WatchRecorded(
        video_id=1,
        viewer_id=9,
        watched_ms=12,
        duration_ms=3,
        loops=13,
        surface=signal_service_pb2.SURFACE_SOUND,
        counted_view=True,
        at_ms=11,
        paused=True,
        token_id="t",
    )
    without = watch_to_proto(TOKEN, report, counted, NOBODY)
    assert told(without) == declared(watch) - {"viewer_id", "token_id"}
    assert told(impressions_to_proto([OFFER], NOBODY).impressions[0]) == declared(events_pb2.Impression) - {"token_id"}


def test_tokens_and_counts_are_told_whole() -> None:
    for message in (view_token_to_proto(1, "v"), view_count_to_proto(1, 2)):
        assert told(message) == declared(message)


def test_every_field_of_a_view_token_comes_back_from_its_signed_form() -> None:
    tokens = ViewTokens(signer=Signer(b"k" * 32))
    assert tokens.read(tokens.mint(TOKEN)) == TOKEN
    shared = fields_of(Offer) & fields_of(ViewToken)
    assert fields_of(ViewToken) - shared == {"viewer_key", "minted_at_ms"}
    assert fields_of(Offer) - shared == {"spare", "offered_at_ms"}
