"""A page keeps its budget though nothing that it waits for ever answers: in virtual time, to the millisecond."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, NoReturn, TypeVar, cast

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.feed.v1 import feed_service_pb2 as pb
from clipmesh.social.v1 import graph_service_pb2

from mesh.auth import viewer_scope
from mesh.events.event import EventMaker
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import viewer
from svc_feed.foryou.service import FeedServicer
from svc_feed.foryou.sources import Popular
from svc_feed.foryou.tables import FeedVideo
from svc_feed.settings import FeedSettings
from svc_feed.wiring import Feed

T = TypeVar("T")
PERSONAL = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION
SETTINGS = FeedSettings(secrets="", testing=True, tables="", blobs="", redis="")


class Timeless(selectors.SelectSelector):
    """Waits for nothing: what would be waited for is over at once, and virtual time has moved by it."""

    now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits for something that never comes"
            self.now_s += timeout
        return ready


def in_virtual_time(work: Coroutine[Any, Any, T], monkeypatch: pytest.MonkeyPatch) -> T:
    """Run to the end with every monotonic clock of the process at the loop's own time."""
    selector = Timeless()
    with monkeypatch.context() as patched, asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        loop = runner.get_loop()
        patched.setattr(loop, "time", lambda: selector.now_s)
        patched.setattr(time, "monotonic", lambda: selector.now_s)
        return runner.run(work)


async def hangs(*_: Any, **__: Any) -> NoReturn:
    while True:
        await asyncio.sleep(3_600)


class HangingTables:
    """Tables of which nothing ever comes back."""

    def __getattr__(self, name: str) -> Any:
        return hangs


class NobodyBlocks:
    """Social as it answers: a page cannot do without it."""

    async def BatchGetRelationships(self, request: Any) -> Any:  # noqa: N802
        relationships = [graph_service_pb2.Relationship(user_id=one) for one in request.user_ids]
        return graph_service_pb2.BatchGetRelationshipsResponse(relationships=relationships)


def hanging_feed(settings: FeedSettings) -> Feed:
    clock = FakeClock()
    feed = Feed(
        tables=cast(Any, HangingTables()),
        events=EventMaker(producer="feed", next_id=iter(range(1, 99)).__next__, clock=clock),
        clock=clock,
        telemetry=Telemetry(service="feed"),
        token_key=b"k" * 32,
        videos=cast(Any, None),
        graph=cast(Any, NobodyBlocks()),
        settings=settings,
    )
    feed.corpus.load((FeedVideo(video_id=n, creator_id=n, published_at_ms=n, recommendable=True, version=1) for n in range(1, 31)), ())
    return feed


@pytest.mark.parametrize(
    ("budget_ms", "stage_ms", "opening_ms", "lost_ms"),
    [
        # history, source, then all that is left for writing the page; session, history, source of a page that nothing builds on.
        (500, 150, 475, 450),
        (500, 10, 475, 30),
        # One stage alone may use the budget up: what comes after it gets nothing, and the page is answered all the same.
        (400, 400, 395, 395),
    ],
)
def test_a_page_keeps_its_budget_when_everything_hangs(
    monkeypatch: pytest.MonkeyPatch, budget_ms: int, stage_ms: int, opening_ms: int, lost_ms: int
) -> None:
    feed = hanging_feed(replace(SETTINGS, feed_budget_ms=budget_ms, feed_stage_ms=stage_ms))
    monkeypatch.setattr(Popular, "candidates", hangs)
    servicer = cast(FeedServicer, feed.services[0].servicer)
    signed = viewer_pb2.SignedViewerContext(context=viewer(user_id=7, consents=[PERSONAL]).SerializeToString())

    async def page(after: str) -> tuple[pb.GetForYouResponse, int]:
        began_s = time.monotonic()
        with viewer_scope(signed):
            answer = await servicer.GetForYou(pb.GetForYouRequest(page_size=3, after=after), cast(Any, None))
        return answer, round((time.monotonic() - began_s) * 1_000)

    async def all_pages() -> list[tuple[pb.GetForYouResponse, int]]:
        opening, took_ms = await page("")
        following = await page(opening.items[0].cursor)
        feed._store._recent.clear()
        lost = await page(opening.items[0].cursor)
        return [(opening, took_ms), following, lost]

    pages = in_virtual_time(all_pages(), monkeypatch)
    assert [took_ms for _, took_ms in pages] == [opening_ms, opening_ms, lost_ms]
    assert max(took_ms for _, took_ms in pages) <= budget_ms
    assert [len(answer.items) for answer, _ in pages] == [3, 3, 3]
    hanging = {"hydrate.history", "source.popular"}
    assert [set(answer.degraded) for answer, _ in pages] == [hanging | {"serve"}, hanging | {"serve"}, hanging | {"session"}]
