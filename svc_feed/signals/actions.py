"""What can be done with signals: mint tokens, record watching, count views."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from clipmesh.feed.v1 import signal_service_pb2 as pb

from mesh import deadline
from mesh.clock import Clock
from mesh.errors import Aborted
from mesh.events.event import Event, EventMaker
from mesh.stores.tables.errors import TablesError
from mesh.telemetry import Telemetry
from svc_feed.consents.actions import Withdrawals
from svc_feed.metrics import STAGE_FAILURES, WATCH_REPORTS, outcome_name
from svc_feed.signals import rules
from svc_feed.signals.convert import impressions_to_proto, watch_to_proto
from svc_feed.signals.rules import HALF_LIFE_MS, Claim, Report
from svc_feed.signals.store import SignalStore, shard_of
from svc_feed.signals.tables import LedgerEntry, ReportedEvent, ViewerPace, WatchedVideo
from svc_feed.signals.tokens import Offer, ViewToken, ViewTokens, new_token_id
from svc_feed.viewers import Watcher

__all__ = ["HALF_LIFE_MS", "LedgerEntry", "Offer", "Report", "SignalActions", "WatchedVideo"]

_log = logging.getLogger("clipmesh.feed.signals")

Outcome: TypeAlias = "pb.WatchOutcome.ValueType"
ATTEMPTS = 12
"""How often a report is judged again because another process wrote to the same ledger meanwhile."""
TAGS_BYTES = 1_200
"""Room of hashtags in a view token, which clients send back in at most 4,096 characters."""
HISTORY_LIFE_MS = 180 * 86_400_000
"""How long a watch is remembered: half a year."""


class SignalActions:
    """Records what was watched; `on_tally` hears of every changed tally so that the next page knows."""

    def __init__(
        self,
        *,
        store: SignalStore,
        tokens: ViewTokens,
        pseudonym: Callable[..., str],
        events: EventMaker,
        clock: Clock,
        telemetry: Telemetry,
        tell_s: float,
        withdrawals: Withdrawals,
        on_tally: Callable[[LedgerEntry], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._pseudonym = pseudonym
        self._telemetry = telemetry
        self._events = events
        self._clock = clock
        self._tell_s = tell_s
        self._withdrawals = withdrawals
        self._on_tally = on_tally

    def mint(self, offer: Offer, watcher: Watcher) -> str:
        """A view token for one offer."""
        return self._tokens.mint(
            ViewToken(
                token_id=offer.token_id,
                video_id=offer.video_id,
                creator_id=offer.creator_id,
                duration_ms=offer.duration_ms,
                viewer_key=watcher.key,
                surface=offer.surface,
                slot=offer.slot,
                session=offer.session,
                minted_at_ms=offer.offered_at_ms or self._clock.now_ms(),
                source_mask=offer.source_mask,
                model_version=offer.model_version,
                selection_probability=offer.selection_probability,
                category=offer.category,
                hashtags=_fitting(offer.hashtags),
            )
        )

    def impressions(self, watcher: Watcher, offers: Sequence[Offer], *, key: str) -> Event:
        """The event of clips that are offered together; `key` is theirs alone."""
        return self._events.make(impressions_to_proto(offers, watcher), key=key, key_version=1, subject_ids=_subjects(watcher))

    async def offer(self, watcher: Watcher, offers: Sequence[Offer]) -> list[str]:
        """Tokens for clips that are shown outside the feed, in their order.

        Told as impressions, but a surface is not kept waiting nor left without tokens because that cannot be written now.
        """
        if offers:
            try:
                async with asyncio.timeout(deadline.remaining_s(self._tell_s)):
                    await self._store.tell(self.impressions(watcher, offers, key=f"offer.{new_token_id()}"))
            except (TimeoutError, TablesError) as error:
                self._telemetry.count(STAGE_FAILURES, stage="effect.impressions")
                _log.warning("impressions were not told", extra={"error_type": type(error).__name__})
        return [self.mint(offer, watcher) for offer in offers]

    async def report(self, watcher: Watcher, reports: Sequence[tuple[str, Report]]) -> list[Outcome]:
        """Record (token, report) pairs, each with its own outcome, in their order; repeats change nothing."""
        now_ms = self._clock.now_ms()
        outcomes: dict[int, Outcome] = {}
        claims: dict[int, Claim] = {}
        for index, (token_text, report) in enumerate(reports):
            token = self._tokens.read(token_text)
            refused = rules.refusal(token, report, watcher, now_ms=now_ms)
            if refused is not None or token is None:
                outcomes[index] = refused or pb.WATCH_OUTCOME_BAD_TOKEN
            else:
                claims[index] = Claim(token=token, report=report)
        foreign = await self._repeated_elsewhere(watcher, claims)
        outcomes |= dict.fromkeys(foreign, pb.WATCH_OUTCOME_DUPLICATE)
        own = {index: claim for index, claim in claims.items() if index not in foreign}
        outcomes |= dict.fromkeys(await self._too_fast(watcher, own), pb.WATCH_OUTCOME_IMPLAUSIBLE)
        outcomes |= await self._record_all(watcher, {index: claim for index, claim in own.items() if index not in outcomes})
        answer = [outcomes[index] for index in range(len(reports))]
        for outcome in answer:
            self._telemetry.count(WATCH_REPORTS, outcome=outcome_name(outcome))
        return answer

    async def _repeated_elsewhere(self, watcher: Watcher, claims: dict[int, Claim]) -> set[int]:
        """Claims whose event id was used with another token."""

        async def belongs(claim: Claim) -> bool:
            event = ReportedEvent(
                event_key=self._pseudonym("event", watcher.key, claim.report.event_id),
                token_id=claim.token.token_id,
                expires_at_ms=claim.token.expires_at_ms,
            )
            return await self._store.owner_of_event(event) == claim.token.token_id

        # One after the other within an event id, so that the first of a batch is the one that counts.
        firsts = {claim.report.event_id: index for index, claim in reversed(claims.items())}
        ahead = await asyncio.gather(*(belongs(claims[index]) for index in firsts.values()))
        mine = dict(zip(firsts.values(), ahead, strict=True))
        return {index for index, claim in claims.items() if not (mine[index] if index in mine else await belongs(claim))}

    async def _too_fast(self, watcher: Watcher, claims: dict[int, Claim]) -> set[int]:
        """Claims that nobody under this pace can have watched besides the others; what was recorded before is not held against anybody again."""
        keys = {index: (claim.token.token_id, claim.report.event_id) for index, claim in claims.items()}
        known = await self._store.reported([(claim.token, claim.report.event_id) for claim in claims.values()])
        fresh = {keys[index]: claim for index, claim in reversed(claims.items()) if keys[index] not in known}
        if not fresh:
            return set()
        now_ms, fits = self._clock.now_ms(), [True]

        def pay(pace: ViewerPace) -> ViewerPace:
            nonlocal fits
            paid, fits = rules.within_pace(pace, list(fresh.values()), rules.allowance_of(watcher), now_ms=now_ms)
            return paid

        # Paid before it is recorded: reports that come at once cannot all pass for the only one.
        await self._store.change_pace(self._pseudonym("pace", watcher.pace_key), pay)
        refused = {key for key, fit in zip(fresh, fits, strict=True) if not fit}
        return {index for index, key in keys.items() if key in refused}

    async def _record_all(self, watcher: Watcher, claims: dict[int, Claim]) -> dict[int, Outcome]:
        """Record claims: those of one token in their order, different tokens side by side."""
        by_token: dict[str, dict[int, Claim]] = {}
        for index, claim in claims.items():
            by_token.setdefault(claim.token.token_id, {})[index] = claim

        async def in_order(own: dict[int, Claim]) -> dict[int, Outcome]:
            return {index: await self._record(watcher, claim.token, claim.report) for index, claim in own.items()}

        outcomes: dict[int, Outcome] = {}
        # All are let finish even when one fails: what was begun is written, and the client's retry finds it.
        for answer in await asyncio.gather(*map(in_order, by_token.values()), return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            outcomes |= answer
        return outcomes

    async def _record(self, watcher: Watcher, token: ViewToken, report: Report) -> Outcome:
        shard = shard_of(token.token_id)
        for _ in range(ATTEMPTS):
            async with self._store.turn(token):
                tally, offered, known = await self._store.entries(token, report.event_id)
                if known is not None:
                    outcome = pb.WATCH_OUTCOME_DUPLICATE
                    break
                now_ms = self._clock.now_ms()
                counted = rules.count(token, report, offered, now_ms=now_ms)
                if counted is None:
                    return pb.WATCH_OUTCOME_IMPLAUSIBLE
                written = await self._store.record(
                    rules.tally_after(token, tally, counted, shard=shard, first=offered is None, now_ms=now_ms),
                    rules.token_after(token, offered, counted, shard=shard),
                    LedgerEntry(
                        video_id=token.video_id,
                        shard=shard,
                        entry=f"e:{token.token_id}:{report.event_id}",
                        watched_ms=counted.watched_ms,
                        loops=counted.loops,
                        expires_at_ms=token.expires_at_ms,
                    ),
                    self._events.make(
                        watch_to_proto(token, report, counted, watcher), key=f"{token.video_id}.{shard}", subject_ids=_subjects(watcher)
                    ),
                )
            if written is not None:
                tally, offered = written
                self._on_tally(tally)
                outcome = pb.WATCH_OUTCOME_ACCEPTED
                break
        else:
            raise Aborted("many watch this clip at this moment; report again", retry_after_ms=200)
        # Also after a repeat: the process may have died between the ledger and the history.
        if offered is not None and watcher.history_id:
            await self._remember(watcher, token, report, offered)
        return outcome

    async def _remember(self, watcher: Watcher, token: ViewToken, report: Report, offered: LedgerEntry) -> None:
        watched = WatchedVideo(
            viewer_id=watcher.history_id,
            offered_at_ms=token.minted_at_ms,
            token_id=token.token_id,
            video_id=token.video_id,
            creator_id=token.creator_id,
            category=token.category,
            hashtags=token.hashtags,
            share=offered.share_sum,
            watched_at_ms=min(report.at_ms, self._clock.now_ms()),
            expires_at_ms=token.minted_at_ms + HISTORY_LIFE_MS,
            version=offered.version,
        )
        await self._store.remember(watched)
        # After it is written: a withdrawal that is heard of at this moment drops what it finds.
        if watched.watched_at_ms <= await self._withdrawals.until_ms(watched.viewer_id):
            await self._store.forget(watched)

    async def forget(self, viewer_id: int, *, until_ms: int) -> None:
        """Drop what a person watched until a moment; safe to repeat."""
        await self._store.forget_until(viewer_id, until_ms=until_ms)

    async def history(self, watcher: Watcher) -> list[WatchedVideo]:
        """What a consenting person watched lately, newest offer first, a video once for each offer; empty for everybody else."""
        if not watcher.history_id:
            return []
        rows, until_ms = await asyncio.gather(self._store.history(watcher.history_id), self._withdrawals.until_ms(watcher.history_id))
        return [row for row in rows if row.watched_at_ms > until_ms]

    async def tallies(self, video_ids: Sequence[int]) -> list[LedgerEntry]:
        """The tallies of videos, in no order."""
        return [tally for tallies in (await self._store.tallies(video_ids)).values() for tally in tallies]

    async def view_counts(self, video_ids: Sequence[int]) -> list[int]:
        """Views of videos in the order asked; exact."""
        tallies = await self._store.tallies(video_ids)
        return [sum(row.views for row in tallies[video_id]) for video_id in video_ids]


def _fitting(hashtags: str) -> str:
    """As many hashtags from the front as a token has room for, as JSON escapes them."""
    kept, room = [], TAGS_BYTES
    for tag in hashtags.split():
        room -= len(json.dumps(tag)) + 1
        if room < 0:
            break
        kept.append(tag)
    return " ".join(kept)


def _subjects(watcher: Watcher) -> tuple[int, ...]:
    return (watcher.history_id,) if watcher.history_id else ()
