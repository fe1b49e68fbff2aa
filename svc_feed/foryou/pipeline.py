"""The frame of For You: lists of named stages, each with a time limit, counts, and a failure that is only its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np

from mesh import deadline
from mesh.telemetry import Telemetry
from svc_feed.foryou.corpus import Corpus
from svc_feed.foryou.filters import Filter
from svc_feed.foryou.hydrators import Hydrator
from svc_feed.foryou.people import MOST_ASKED, People
from svc_feed.foryou.query import BoolArray, Candidates, IntArray, Query, Slate, Slot
from svc_feed.foryou.scorers import Scorer
from svc_feed.foryou.selector import select
from svc_feed.foryou.sources import Source
from svc_feed.foryou.stages import StageLog
from svc_feed.metrics import REMOVED

RESERVE = 5
"""Spare items of a page, for slots that can no longer be shown."""
_LOOKED_AT = 2_000
"""Best candidates whose creators are asked about, as far as one question goes; a page takes 25 at most."""


class Pipeline:
    """Hydrators -> sources -> filters -> scorers -> blocks and mutes -> selector."""

    def __init__(
        self,
        *,
        corpus: Corpus,
        hydrators: Sequence[Hydrator],
        sources: Sequence[Source],
        filters: Sequence[Filter],
        scorers: Sequence[Scorer],
        people: People,
        stage_s: float,
        telemetry: Telemetry,
    ) -> None:
        self._corpus = corpus
        self._hydrators = hydrators
        self._sources = sources
        self._filters = filters
        self._scorers = scorers
        self._people = people
        self._stage_s = stage_s
        self._telemetry = telemetry

    async def run(self, query: Query, log: StageLog) -> Slate:
        """A slate for a query: as good as the stages that answered in time."""
        await asyncio.gather(*(self._hydrate(one, query, log) for one in self._hydrators if one.enabled(query)))
        found = await asyncio.gather(*(self._source(one, query, log) for one in self._sources if one.enabled(query)))
        # A video keeps its row, whatever comes while one waits; what it may be shown for is looked at again in the answer.
        candidates = _merge(found)
        kept = self._filter(query, candidates, log)
        if not len(kept) and query.opens and len(query.watched.ids):
            query.rewatch = True
            kept = self._filter(query, candidates, log)
        kept = await self._without_barred(query, self._score(query, kept, log), log)
        began = time.perf_counter_ns()
        chosen, broken = select(self._corpus, kept, count=query.page_size + RESERVE, before=query.played)
        log.done("select", len(kept), len(chosen), began)
        ids = self._corpus.columns.ids[chosen.rows]
        return Slate(
            slots=tuple(
                Slot(int(video_id), int(mask), round(float(score), 6))
                for video_id, mask, score in zip(ids, chosen.sources, chosen.scores, strict=True)
            ),
            has_more=len(kept) > query.page_size,
            policy="rewatch" if query.rewatch else "personal" if query.tastes else "contextual",
            degraded=(*log.failed, *(f"rule.{rule}" for rule in broken)),
        )

    def may_show(self, query: Query, video_ids: Sequence[int]) -> BoolArray:
        """For each video whether the hard filters let it through at this moment."""
        rows = self._corpus.rows(video_ids)
        kept = np.ones(len(rows), np.bool_)
        for one in self._filters:
            if one.hard and one.enabled(query):
                kept &= one.keeps(query, rows)
        return kept

    async def ask_about(self, query: Query, video_ids: Sequence[int]) -> None:
        """Let the query know who of the creators of a page that was made before is barred by now. Raises what the question raises."""
        rows = self._corpus.rows(video_ids)
        creators = self._corpus.columns.creators[rows[rows >= 0]]
        query.barred = await self._people.barred(query.watcher, creators.tolist())

    async def _without_barred(self, query: Query, candidates: Candidates, log: StageLog) -> Candidates:
        """The candidates of the best creators, without those whom a block or a mute keeps away. One question, whose failure ends the call."""
        if not query.watcher.user_id or not len(candidates):
            return candidates
        began = time.perf_counter_ns()
        best = candidates.rows[np.argsort(-candidates.scores, kind="stable")[:_LOOKED_AT]]
        asked = list(dict.fromkeys(self._corpus.columns.creators[best].tolist()))[:MOST_ASKED]
        query.barred = await self._people.barred(query.watcher, asked)
        may_come = np.array([creator_id for creator_id in asked if creator_id not in query.barred], np.int64)
        kept = candidates.where(np.isin(self._corpus.columns.creators[candidates.rows], may_come))
        self._telemetry.count(REMOVED, len(candidates) - len(kept), stage="filter.barred")
        log.done("filter.barred", len(candidates), len(kept), began)
        return kept

    async def _hydrate(self, one: Hydrator, query: Query, log: StageLog) -> None:
        began = time.perf_counter_ns()
        try:
            async with asyncio.timeout(deadline.remaining_s(self._stage_s)):
                found = await one.hydrate(query)
        except Exception as error:
            log.gave_up(one.name, began, error)
        else:
            log.done(one.name, 0, found, began)

    async def _source(self, one: Source, query: Query, log: StageLog) -> tuple[Source, IntArray]:
        name, began = f"source.{one.name}", time.perf_counter_ns()
        # What is going to be removed must not use up the quota.
        quota = one.quota + len(query.watched.ids) + len(query.played)
        try:
            async with asyncio.timeout(deadline.remaining_s(self._stage_s)):
                rows = await one.candidates(query, quota)
        except Exception as error:
            log.gave_up(name, began, error)
            return one, np.zeros(0, np.int64)
        log.done(name, quota, len(rows), began)
        return one, rows

    def _filter(self, query: Query, candidates: Candidates, log: StageLog) -> Candidates:
        for one in self._filters:
            if one.enabled(query):
                began = time.perf_counter_ns()
                kept = candidates.where(one.keeps(query, candidates.rows))
                self._telemetry.count(REMOVED, len(candidates) - len(kept), stage=one.name)
                log.done(one.name, len(candidates), len(kept), began)
                candidates = kept
        return candidates

    def _score(self, query: Query, candidates: Candidates, log: StageLog) -> Candidates:
        scores = candidates.scores
        for one in self._scorers:
            if one.enabled(query):
                began = time.perf_counter_ns()
                try:
                    scores = scores + one.score(query, candidates.rows)
                except Exception as error:
                    log.gave_up(one.name, began, error)
                else:
                    log.done(one.name, len(candidates), len(candidates), began)
        return Candidates(rows=candidates.rows, sources=candidates.sources, scores=scores)


def _merge(found: Sequence[tuple[Source, IntArray]]) -> Candidates:
    """Every video once, remembering all sources that found it."""
    every = np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in found)])
    bits = np.concatenate([np.zeros(0, np.int64), *(np.full(len(rows), source.bit, np.int64) for source, rows in found)])
    rows, places = np.unique(every, return_inverse=True)
    sources = np.zeros(len(rows), np.int64)
    np.bitwise_or.at(sources, places, bits)
    return Candidates(rows=rows, sources=sources, scores=np.zeros(len(rows)))
