"""What can be asked of For You: the next page of a session."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipmesh.feed.v1 import signal_service_pb2

from mesh import deadline
from mesh.clock import Clock
from mesh.events.event import Event
from mesh.pages import clamp
from mesh.telemetry import Telemetry
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.cursors import Cursor, Cursors
from svc_feed.foryou.effects import SideEffect
from svc_feed.foryou.errors import BadCursor, CursorExpired
from svc_feed.foryou.pipeline import Pipeline
from svc_feed.foryou.query import Query, Slot
from svc_feed.foryou.sessions import Place, Sessions, continued, slots_of, slots_text
from svc_feed.foryou.stages import EXPECTED, Count, StageLog
from svc_feed.foryou.store import ForYouStore
from svc_feed.foryou.tables import ServedPage
from svc_feed.metrics import PAGES
from svc_feed.signals.actions import Offer, SignalActions
from svc_feed.viewers import Watcher

DEFAULT_PAGE, MOST_PAGE = 10, 20
PAGE_LIFE_MS = 24 * 3_600_000
"""How long served pages are kept: longer than cursors live, since later pages refer to them."""
ANSWER_MS = 20
"""What is kept of the budget for making tokens and the answer, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One slot as it is answered."""

    video_id: int
    sources: tuple[str, ...]
    score: float
    view_token: str
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForYouPage:
    """One page as it is answered."""

    items: tuple[Item, ...]
    reserve: tuple[Item, ...]
    feed_session_id: str
    served_by: str
    """The policy that made it."""
    degraded: tuple[str, ...]
    has_more: bool
    stages: tuple[Count, ...]


class ForYouActions:
    """Serves pages: the same cursor gets the same page, nothing played comes again in a session."""

    def __init__(
        self,
        *,
        store: ForYouStore,
        corpus: Corpus,
        pipeline: Pipeline,
        effects: Sequence[SideEffect],
        signals: SignalActions,
        cursors: Cursors,
        clock: Clock,
        telemetry: Telemetry,
        source_bits: Mapping[str, int],
        stage_s: float,
        budget_s: float,
    ) -> None:
        self._store = store
        self._sessions = Sessions(store=store)
        self._corpus = corpus
        self._pipeline = pipeline
        self._effects = effects
        self._signals = signals
        self._cursors = cursors
        self._clock = clock
        self._telemetry = telemetry
        self._source_bits = source_bits
        self._stage_s = stage_s
        self._budget_s = budget_s

    async def page(self, watcher: Watcher, *, page_size: int, after: str) -> ForYouPage:
        """The page after a cursor. Raises BadCursor, CursorExpired.

        The whole of it takes at most the budget. While the tables are away a page is answered all the same and says `degraded`; when it is
        not even known what was played before, its cursors lead nowhere.
        """
        with deadline.scope(self._budget_s):
            return await self._page(watcher, page_size=page_size, after=after)

    async def _page(self, watcher: Watcher, *, page_size: int, after: str) -> ForYouPage:
        now_ms = self._clock.now_ms()
        log = StageLog(telemetry=self._telemetry)
        size = clamp(page_size, default=DEFAULT_PAGE, most=MOST_PAGE)
        query = Query(watcher=watcher, page_size=size, session_id=secrets.token_urlsafe(12), now_ms=now_ms)
        cursor, place = None, None
        if after:
            cursor = self._cursors.read(after, viewer_key=watcher.key, now_ms=now_ms)
            query.session_id, query.opens, query.played = cursor.session_id, False, (cursor.video_id,)
            place = await self._place(cursor, log)
            if place is not None and place.served is not None:
                self._telemetry.count(PAGES, policy="stored")
                await self._pipeline.ask_about(query, [slot.video_id for slot in slots_of(place.served)])
                return self._answer(query, place.served, log)
            if place is not None:
                query.played, query.rewatch = place.played, place.parent.policy == "rewatch"
        slate = await self._pipeline.run(query, log)
        page = ServedPage(
            session_id=query.session_id,
            cursor_key=cursor.key if cursor else "",
            page_id=secrets.token_urlsafe(9),
            slots=slots_text(slate.slots),
            page_size=size,
            policy=slate.policy,
            degraded=" ".join(slate.degraded),
            has_more=slate.has_more,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + PAGE_LIFE_MS,
        )
        if cursor is not None and place is not None:
            page = continued(page, place, cursor)
        if cursor is None or place is not None:
            # A page that does not know what was played must not become what later pages build on.
            served = await self._serve(query, page, slate.slots, log)
            if served.page_id != page.page_id:
                # Somebody was faster with the same cursor: what stands in that page was asked about at another moment.
                await self._pipeline.ask_about(query, [slot.video_id for slot in slots_of(served)])
            page = served
        self._telemetry.count(PAGES, policy=page.policy)
        return self._answer(query, page, log)

    async def _place(self, cursor: Cursor, log: StageLog) -> Place | None:
        began = time.perf_counter_ns()
        try:
            async with asyncio.timeout(deadline.remaining_s(self._stage_s)):
                place = await self._sessions.place(cursor)
        except (BadCursor, CursorExpired):
            raise
        except EXPECTED as error:
            log.gave_up("session", began, error)
            return None
        log.done("session", 1, len(place.played), began)
        return place

    async def _serve(self, query: Query, page: ServedPage, slots: Sequence[Slot], log: StageLog) -> ServedPage:
        events = self._events(query, page, slots, log)
        began = time.perf_counter_ns()
        try:
            # All that is left: a page that is not kept can be continued in this process alone.
            async with asyncio.timeout(max(0.0, deadline.remaining_s(self._budget_s) - ANSWER_MS / 1000)):
                page = await self._store.serve(page, events)
        except EXPECTED as error:
            self._store.keep(page)
            log.gave_up("serve", began, error)
        else:
            log.done("serve", 1, 1, began)
        return page

    def _events(self, query: Query, page: ServedPage, slots: Sequence[Slot], log: StageLog) -> list[Event]:
        events: list[Event] = []
        offers = [self._offer(page, slot, index) for index, slot in enumerate(slots)]
        for effect in self._effects:
            if effect.enabled(query):
                began = time.perf_counter_ns()
                try:
                    made = effect.events(query, page, offers)
                except Exception as error:
                    log.gave_up(effect.name, began, error)
                else:
                    events += made
                    log.done(effect.name, len(offers), len(made), began)
        return events

    def _answer(self, query: Query, page: ServedPage, log: StageLog) -> ForYouPage:
        """A page as it may be shown at this moment: the hard filters are asked again, and the reserve fills what they remove."""
        slots = slots_of(page)
        may_show = self._pipeline.may_show(query, [slot.video_id for slot in slots])
        items = tuple(self._item(query.watcher, page, slot, index) for index, slot in enumerate(slots) if may_show[index])
        wanted = min(page.page_size, len(slots))
        return ForYouPage(
            items=items[:wanted],
            reserve=items[wanted:],
            feed_session_id=page.session_id,
            served_by=page.policy,
            degraded=tuple(dict.fromkeys((*page.degraded.split(), *log.failed))),
            has_more=page.has_more,
            stages=tuple(log.counts),
        )

    def _offer(self, page: ServedPage, slot: Slot, index: int) -> Offer:
        video = self._corpus.video(slot.video_id)
        assert video is not None, "the hard filters keep known videos only"
        return Offer(
            video_id=video.video_id,
            creator_id=video.creator_id,
            duration_ms=video.duration_ms,
            surface=signal_service_pb2.SURFACE_FOR_YOU,
            slot=page.played_count + index,
            category=video.category,
            hashtags=video.hashtags,
            session=page.session_id,
            source_mask=slot.source_mask,
            model_version=page.policy,
            spare=index >= page.page_size,
            token_id=f"{page.page_id}.{index}",
            offered_at_ms=page.created_at_ms,
        )

    def _item(self, watcher: Watcher, page: ServedPage, slot: Slot, index: int) -> Item:
        cursor = Cursor(
            viewer_key=watcher.key,
            session_id=page.session_id,
            page_id=page.page_id,
            page_key=page.cursor_key,
            index=index,
            video_id=slot.video_id,
            generated_at_ms=page.created_at_ms,
        )
        return Item(
            video_id=slot.video_id,
            sources=tuple(name for name, bit in self._source_bits.items() if slot.source_mask & bit),
            score=slot.score,
            view_token=self._signals.mint(self._offer(page, slot, index), watcher),
            cursor=self._cursors.sign(cursor),
        )
