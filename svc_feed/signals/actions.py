"""What can be done with signals: mint tokens, record watching, count views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from clipmesh.feed.v1 import events_pb2
from clipmesh.feed.v1 import signal_service_pb2 as pb

from mesh.clock import Clock
from mesh.errors import Aborted
from mesh.events.event import EventMaker
from svc_feed.signals import rules
from svc_feed.signals.rules import Counted, Report
from svc_feed.signals.store import SignalStore, shard_of
from svc_feed.signals.tables import LedgerEntry, WatchedVideo
from svc_feed.signals.tokens import ViewToken, ViewTokens, new_token_id
from svc_feed.viewers import Watcher

Outcome: TypeAlias = "pb.WatchOutcome.ValueType"
ATTEMPTS = 12
"""How often a report is judged again because others wrote to the same ledger meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A clip that is offered to a viewer."""

    video_id: int
    creator_id: int
    duration_ms: int
    surface: int
    category: int = 0
    hashtags: str = ""
    session: str = ""
    source_mask: int = 0
    model_version: str = ""
    selection_probability: float = 1.0
    token_id: str = ""
    """Given when the same offer has to get the same token again; empty draws one."""
    offered_at_ms: int = 0
    """When the offer was made; 0 means now."""


class SignalActions:
    """Records what was watched; `on_tally` hears of every changed tally so that the next page knows."""

    def __init__(
        self,
        *,
        store: SignalStore,
        tokens: ViewTokens,
        events: EventMaker,
        clock: Clock,
        on_tally: Callable[[LedgerEntry], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._events = events
        self._clock = clock
        self._on_tally = on_tally

    def mint(self, offer: Offer, watcher: Watcher) -> str:
        """A view token for one offer."""
        return self._tokens.mint(
            ViewToken(
                token_id=offer.token_id or new_token_id(),
                video_id=offer.video_id,
                creator_id=offer.creator_id,
                duration_ms=offer.duration_ms,
                viewer_key=watcher.key,
                surface=offer.surface,
                session=offer.session,
                minted_at_ms=offer.offered_at_ms or self._clock.now_ms(),
                source_mask=offer.source_mask,
                model_version=offer.model_version,
                selection_probability=offer.selection_probability,
                category=offer.category,
                hashtags=offer.hashtags,
            )
        )

    async def report(self, watcher: Watcher, reports: Sequence[tuple[str, Report]]) -> list[Outcome]:
        """Record (token, report) pairs one by one, each with its own outcome, in their order."""
        pace = await self._store.pace(watcher.key)
        outcomes: list[Outcome] = []
        claimed_ms = 0
        for token_text, report in reports:
            token = self._tokens.read(token_text)
            now_ms = self._clock.now_ms()
            refused = rules.refusal(token, report, watcher, now_ms=now_ms)
            if refused is None and rules.too_fast(pace, claimed_ms + report.watched_ms, now_ms=now_ms):
                refused = pb.WATCH_OUTCOME_IMPLAUSIBLE
            if refused is not None or token is None:
                outcomes.append(refused or pb.WATCH_OUTCOME_BAD_TOKEN)
                continue
            outcome = await self._record(watcher, token, report, now_ms)
            outcomes.append(outcome)
            if outcome == pb.WATCH_OUTCOME_ACCEPTED:
                claimed_ms += report.watched_ms
        if claimed_ms:
            now_ms = self._clock.now_ms()
            await self._store.change_pace(watcher.key, lambda row: rules.pace_after(row, claimed_ms, now_ms=now_ms))
        return outcomes

    async def _record(self, watcher: Watcher, token: ViewToken, report: Report, now_ms: int) -> Outcome:
        shard = shard_of(token.token_id)
        for _ in range(ATTEMPTS):
            tally, offered, known = await self._store.entries(token, report.event_id)
            if known is not None:
                # The first answer may have been lost before the history was written.
                await self._remember(watcher, token, offered, now_ms)
                return pb.WATCH_OUTCOME_DUPLICATE
            counted = rules.count(token, report, offered, now_ms=now_ms)
            if counted is None:
                return pb.WATCH_OUTCOME_IMPLAUSIBLE
            tally_row = rules.tally_after(token, tally, counted, shard=shard, first=offered is None, now_ms=now_ms)
            token_row = rules.token_after(token, offered, counted, shard=shard)
            report_row = LedgerEntry(
                video_id=token.video_id,
                shard=shard,
                entry=f"e:{token.token_id}:{report.event_id}",
                watched_ms=counted.watched_ms,
                loops=counted.loops,
                expires_at_ms=token.expires_at_ms,
            )
            event = self._events.make(
                self._recorded(watcher, token, report, counted), key=f"{token.video_id}.{shard}", subject_ids=_subjects(watcher)
            )
            if await self._store.record(tally_row, token_row, report_row, [event]):
                self._on_tally(tally_row)
                await self._remember(watcher, token, token_row, now_ms)
                return pb.WATCH_OUTCOME_ACCEPTED
        raise Aborted("many watch this clip at this moment; report again", retry_after_ms=200)

    async def _remember(self, watcher: Watcher, token: ViewToken, offered: LedgerEntry | None, now_ms: int) -> None:
        if not watcher.history_id:
            return
        await self._store.remember(
            WatchedVideo(
                viewer_id=watcher.history_id,
                video_id=token.video_id,
                creator_id=token.creator_id,
                category=token.category,
                hashtags=token.hashtags,
                share=offered.share_sum if offered else 0.0,
                watched_at_ms=now_ms,
                version=now_ms,
            )
        )

    def _recorded(self, watcher: Watcher, token: ViewToken, report: Report, counted: Counted) -> events_pb2.WatchRecorded:
        return events_pb2.WatchRecorded(
            video_id=token.video_id,
            viewer_id=watcher.history_id,
            watched_ms=counted.watched_ms,
            duration_ms=token.duration_ms,
            loops=counted.loops,
            surface=pb.Surface.ValueType(token.surface),
            counted_view=counted.makes_view,
            at_ms=report.at_ms,
        )

    async def history(self, watcher: Watcher) -> list[WatchedVideo]:
        """What a consenting person watched; empty for everybody else."""
        return await self._store.history(watcher.history_id) if watcher.history_id else []

    async def view_counts(self, video_ids: Sequence[int]) -> list[int]:
        """Views of videos in the order asked; exact."""
        tallies = await self._store.tallies(video_ids)
        return [sum(row.views for row in tallies[video_id]) for video_id in video_ids]


def _subjects(watcher: Watcher) -> tuple[int, ...]:
    return (watcher.history_id,) if watcher.history_id else ()
