"""What can be asked of For You: the next page of a session."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.feed.v1 import events_pb2, signal_service_pb2

from mesh.clock import Clock
from mesh.events.event import Event, EventMaker
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.cursors import LIFE_MS, Cursor, Cursors
from svc_feed.foryou.errors import BadCursor, CursorExpired
from svc_feed.foryou.pipeline import Pipeline
from svc_feed.foryou.query import Candidate, Count, Query, Slate, played_before
from svc_feed.foryou.store import ForYouStore
from svc_feed.foryou.tables import FeedVideo, ServedPage
from svc_feed.signals.actions import Offer, SignalActions
from svc_feed.viewers import Watcher

DEFAULT_PAGE, MOST_PAGE = 10, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One slot as it is answered."""

    video: FeedVideo
    sources: tuple[str, ...]
    score: float
    view_token: str
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForYouPage:
    """One page as it is answered."""

    items: tuple[Item, ...]
    reserve: tuple[Item, ...]
    session_id: str
    policy: str
    degraded: tuple[str, ...]
    has_more: bool
    counts: tuple[Count, ...]


class ForYouActions:
    """Serves pages: the same cursor gets the same page, nothing played comes again in a session."""

    def __init__(
        self,
        *,
        store: ForYouStore,
        corpus: Corpus,
        pipeline: Pipeline,
        signals: SignalActions,
        cursors: Cursors,
        events: EventMaker,
        clock: Clock,
        source_bits: dict[str, int],
    ) -> None:
        self._store = store
        self._corpus = corpus
        self._pipeline = pipeline
        self._signals = signals
        self._cursors = cursors
        self._events = events
        self._clock = clock
        self._source_bits = source_bits

    async def page(self, watcher: Watcher, *, page_size: int, after: str) -> ForYouPage:
        """The page after a cursor. Raises BadCursor, CursorExpired."""
        now_ms = self._clock.now_ms()
        size = min(page_size or DEFAULT_PAGE, MOST_PAGE)
        query = Query(watcher=watcher, page_size=size, session_id=secrets.token_urlsafe(12), now_ms=now_ms)
        cursor_key = ""
        if after:
            cursor = self._cursors.read(after, viewer_key=watcher.key, now_ms=now_ms)
            cursor_key = cursor.key
            query.session_id = cursor.session_id
            pages = await self._store.pages(cursor.session_id)
            served = next((page for page in pages if page.cursor_key == cursor_key), None)
            if served is not None:
                return self._answer(watcher, served, ())
            chain = played_before(pages, cursor_key)
            if not chain:
                raise CursorExpired()
            query.played = _played(chain)
            query.rewatch = chain[0][0].policy == "rewatch"
            query.slot = len(query.played)
        slate = await self._pipeline.run(query)
        page = self._page_of(query, slate, cursor_key)
        served = await self._store.serve(page, [self._impressions(query, page, slate.items)])
        return self._answer(watcher, served, tuple(slate.counts))

    def _page_of(self, query: Query, slate: Slate, cursor_key: str) -> ServedPage:
        return ServedPage(
            session_id=query.session_id,
            cursor_key=cursor_key,
            page_id=secrets.token_urlsafe(9).replace(":", "_"),
            items=self._listed(slate.items),
            reserve=self._listed(slate.reserve),
            first_slot=query.slot,
            policy=slate.policy,
            degraded=" ".join(slate.degraded),
            has_more=slate.has_more,
            page_size=query.page_size,
            created_at_ms=query.now_ms,
            expires_at_ms=query.now_ms + LIFE_MS,
        )

    def _listed(self, candidates: Sequence[Candidate]) -> str:
        return json.dumps([[one.video.video_id, self._mask(one.sources), round(one.score, 6)] for one in candidates], separators=(",", ":"))

    def _mask(self, sources: set[str]) -> int:
        return sum(self._source_bits[name] for name in sources)

    def _impressions(self, query: Query, page: ServedPage, items: Sequence[Candidate]) -> Event:
        history_id = query.watcher.history_id
        served = events_pb2.ImpressionServed(
            feed_session_id=query.session_id,
            viewer_id=history_id,
            policy=page.policy,
            impressions=[
                events_pb2.Impression(
                    video_id=item.video.video_id,
                    slot=query.slot + number,
                    source_mask=self._mask(item.sources),
                    selection_probability=1.0,
                )
                for number, item in enumerate(items)
            ],
        )
        return self._events.make(served, key=f"{page.session_id}.{page.page_id}", subject_ids=(history_id,) if history_id else ())

    def _answer(self, watcher: Watcher, page: ServedPage, counts: tuple[Count, ...]) -> ForYouPage:
        items = self._items(watcher, page, json.loads(page.items), 0)
        reserve = self._items(watcher, page, json.loads(page.reserve), len(json.loads(page.items)))
        return ForYouPage(
            items=items,
            reserve=reserve,
            session_id=page.session_id,
            policy=page.policy,
            degraded=tuple(page.degraded.split()),
            has_more=page.has_more,
            counts=counts,
        )

    def _items(self, watcher: Watcher, page: ServedPage, listed: list[list[float]], first: int) -> tuple[Item, ...]:
        """Items of a stored page; what was withdrawn since is left out."""
        items = []
        for index, (video_id, mask, score) in enumerate(listed, first):
            video = self._corpus.video(int(video_id))
            if video is None or not video.recommendable:
                continue
            items.append(self._item(watcher, page, video, index=index, mask=int(mask), score=score))
        return tuple(items)

    def _item(self, watcher: Watcher, page: ServedPage, video: FeedVideo, *, index: int, mask: int, score: float) -> Item:
        offer = Offer(
            video_id=video.video_id,
            creator_id=video.creator_id,
            duration_ms=video.duration_ms,
            surface=signal_service_pb2.SURFACE_FOR_YOU,
            category=video.category,
            hashtags=video.hashtags,
            session=page.session_id,
            source_mask=mask,
            model_version=page.policy,
            token_id=f"{page.page_id}.{index}",
            offered_at_ms=page.created_at_ms,
        )
        cursor = Cursor(
            viewer_key=watcher.key,
            session_id=page.session_id,
            page_id=page.page_id,
            index=index,
            video_id=video.video_id,
            generated_at_ms=page.created_at_ms,
        )
        return Item(
            video=video,
            sources=tuple(name for name, bit in self._source_bits.items() if mask & bit),
            score=score,
            view_token=self._signals.mint(offer, watcher),
            cursor=self._cursors.sign(cursor),
        )


def _played(chain: list[tuple[ServedPage, int]]) -> frozenset[int]:
    """Videos played along a chain of pages: of each page the items up to the cursor, reserve items by their index behind them."""
    played: list[int] = []
    for page, index in chain:
        items, reserve = json.loads(page.items), json.loads(page.reserve)
        shown = [entry[0] for entry in items[: index + 1]]
        if index >= len(items):
            if index - len(items) >= len(reserve):
                raise BadCursor()
            shown += [entry[0] for entry in reserve[: index - len(items) + 1]]
        played += shown
    return frozenset(played)
