"""The frame of For You: lists of named stages, each with a time limit, counts, and a failure that is only its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from mesh.errors import MeshError
from mesh.stores.tables.port import TablesError
from svc_feed.foryou import filters as filtering
from svc_feed.foryou.filters import Filter
from svc_feed.foryou.hydrators import Hydrator
from svc_feed.foryou.query import Candidate, Count, Query, Slate
from svc_feed.foryou.scorers import Scorer
from svc_feed.foryou.selector import select
from svc_feed.foryou.sources import Source

_log = logging.getLogger("clipmesh.feed.pipeline")

RESERVE = 5
"""Spare items of a page, for slots that can no longer be shown."""


STAGE_FAILURES = (TimeoutError, MeshError, TablesError, OSError)
"""What a hydrator or source may answer instead of facts; the page goes on without it. Anything else is a bug and ends the call."""


class Pipeline:
    """Hydrators -> sources -> filters -> scorers -> selector."""

    def __init__(
        self,
        *,
        hydrators: Sequence[Hydrator],
        sources: Sequence[Source],
        filters: Sequence[Filter],
        scorers: Sequence[Scorer],
        stage_s: float,
    ) -> None:
        self._hydrators = hydrators
        self._sources = sources
        self._filters = filters
        self._scorers = scorers
        self._stage_s = stage_s

    async def run(self, query: Query) -> Slate:
        """A slate for a query: as good as the stages that answered in time."""
        counts: list[Count] = []
        counts += await asyncio.gather(*(self._hydrate(one, query) for one in self._hydrators if one.enabled(query)))
        found = await asyncio.gather(*(self._source(one, query) for one in self._sources if one.enabled(query)))
        candidates = _merge(found)
        counts += [count for _, _, count in found]
        kept = self._filter(query, candidates, counts)
        if not kept and query.history and not query.played:
            query.rewatch = True
            kept = self._filter(query, candidates, counts)
        self._score(query, kept, counts)
        began = time.perf_counter_ns()
        chosen, broken = select(kept, count=query.page_size + RESERVE)
        counts.append(_count("select", len(kept), len(chosen), began))
        degraded = [count.stage for count in counts if count.failed] + [f"rule.{rule}" for rule in broken]
        return Slate(
            items=chosen[: query.page_size],
            reserve=chosen[query.page_size :],
            has_more=len(kept) > query.page_size,
            policy=_policy(query),
            degraded=degraded,
            counts=counts,
        )

    async def _hydrate(self, one: Hydrator, query: Query) -> Count:
        began = time.perf_counter_ns()
        try:
            async with asyncio.timeout(self._stage_s):
                found = await one.hydrate(query)
        except STAGE_FAILURES as error:
            return _failed(one.name, began, error)
        return _count(one.name, 0, found, began)

    async def _source(self, one: Source, query: Query) -> tuple[Source, list[Candidate], Count]:
        began = time.perf_counter_ns()
        try:
            async with asyncio.timeout(self._stage_s):
                videos = await one.candidates(query, one.quota)
        except STAGE_FAILURES as error:
            return one, [], _failed(f"source.{one.name}", began, error)
        candidates = [Candidate(video=video, sources={one.name}) for video in videos]
        return one, candidates, _count(f"source.{one.name}", one.quota, len(candidates), began)

    def _filter(self, query: Query, candidates: list[Candidate], counts: list[Count]) -> list[Candidate]:
        for one in self._filters:
            if one.enabled(query):
                began = time.perf_counter_ns()
                kept, _ = filtering.apply(one, query, candidates)
                counts.append(_count(one.name, len(candidates), len(kept), began))
                candidates = kept
        return candidates

    def _score(self, query: Query, candidates: list[Candidate], counts: list[Count]) -> None:
        for one in self._scorers:
            if one.enabled(query):
                began = time.perf_counter_ns()
                for candidate in candidates:
                    candidate.score += one.score(query, candidate)
                counts.append(_count(one.name, len(candidates), len(candidates), began))


def _merge(found: Sequence[tuple[Source, list[Candidate], Count]]) -> list[Candidate]:
    """Every video once, remembering all sources that found it."""
    merged: dict[int, Candidate] = {}
    for source, candidates, _ in found:
        for candidate in candidates:
            merged.setdefault(candidate.video.video_id, candidate).sources.add(source.name)
    return list(merged.values())


def _policy(query: Query) -> str:
    if query.rewatch:
        return "rewatch"
    return "personal" if query.tastes else "contextual"


def _count(stage: str, count_in: int, count_out: int, began_ns: int) -> Count:
    return Count(stage, count_in, count_out, (time.perf_counter_ns() - began_ns) // 1000)


def _failed(stage: str, began_ns: int, error: Exception) -> Count:
    _log.warning("a stage gave nothing", extra={"stage": stage, "error": type(error).__name__})
    return Count(stage, 0, 0, (time.perf_counter_ns() - began_ns) // 1000, failed=True)
