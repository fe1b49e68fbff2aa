"""The gate: assesses publications and keeps verdicts; the door of this area."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from clipmesh.rights.v1 import events_pb2

from mesh.clock import Clock
from mesh.events.event import Event, EventMaker
from mesh.failpoints import Failpoint, hit
from svc_rights.publication import rules
from svc_rights.publication.block_list import BlockList
from svc_rights.publication.convert import evidence_from_json, evidence_to_json, kind_to_proto, verdict_to_proto
from svc_rights.publication.errors import PublicationOutdated
from svc_rights.publication.facts import Assessment, Evidence, Facts
from svc_rights.publication.policy import Policy
from svc_rights.publication.store import VerdictStore
from svc_rights.publication.tables import HEAD, Verdict, VerdictKind
from svc_rights.publication.words import WordLists

__all__ = ["BlockList", "Publications", "ReviewDesk", "Verdict", "VerdictKind", "kind_to_proto", "verdict_to_proto"]

DECISION_POLICY = "review.decision"

_log = logging.getLogger("clipmesh.rights")


class ReviewDesk(Protocol):
    """Where verdicts that a moderator has to decide are queued; what it keeps follows from the verdicts."""

    async def open(self, verdict: Verdict, *, caption: str) -> None:
        """Queue a review; safe to repeat."""
        ...

    async def supersede(self, review_id: int) -> None:
        """Take a review off the queue because a newer publication came; safe to repeat."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Publications:
    """Writes each verdict in one step with its log entry and event. The head row decides between all that race."""

    store: VerdictStore
    block_list: BlockList
    policy: Policy
    words: WordLists
    desk: ReviewDesk
    next_id: Callable[[], int]
    clock: Clock
    events: EventMaker

    async def assess(self, facts: Facts) -> Verdict:
        """The stored verdict for these facts. Raises PublicationOutdated, then nothing changed."""
        while True:
            head = await self.store.head(facts.video_id)
            if head is not None and head.publication_version > facts.publication_version:
                raise PublicationOutdated(publication_version=head.publication_version)
            same_version = head is not None and head.publication_version == facts.publication_version
            if head is not None and same_version and head.facts_hash == facts.facts_hash:
                await self._queue(head, caption=facts.caption)
                return head
            match = await self.block_list.match(facts.perceptual_hashes)
            assessed = rules.assess(facts, policy=self.policy, words=self.words, match=match, was_blocked=_was_blocked(head))
            if head is not None and same_version and rules.stands(head.decided_by, assessed=assessed):
                return head
            verdict = self._verdict(facts, assessed)
            if verdict.kind is VerdictKind.REVIEW:
                # Before the verdict: its event moves the video, and from then on nobody asks about it again.
                await self.desk.open(replace(verdict, step=_number_after(head)), caption=facts.caption)
            written = await self._write(verdict, after=head)
            if written is not None:
                hit(Failpoint.VERDICT_AFTER_WRITE)
                await self._supersede_before(written)
                return written
            if verdict.kind is VerdictKind.REVIEW:
                await self.desk.supersede(verdict.review_id)

    async def newest(self, video_ids: Sequence[int]) -> list[Verdict]:
        """Newest verdicts in the order asked, without the absent."""
        return await self.store.heads(video_ids)

    async def numbered(self, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Verdict]:
        """Log entries by (video, number)."""
        return await self.store.numbered(keys)

    async def decide(self, *, video_id: int, review_id: int, decision: VerdictKind, reason: str, moderator_id: int) -> Verdict | None:
        """The newest verdict after a moderator decided a review: the decision, or what stood there already when the review was over."""
        while True:
            head = await self.store.head(video_id)
            if head is None or head.review_id != review_id or head.decided_by:
                return head
            said = Evidence(policy=DECISION_POLICY, detail=reason, kind=decision)
            verdict = replace(
                head,
                verdict_id=self.next_id(),
                kind=decision,
                policy=DECISION_POLICY,
                evidence_json=evidence_to_json((*evidence_from_json(head.evidence_json), said)),
                decided_at_ms=self.clock.now_ms(),
                decided_by=moderator_id,
                reason=reason,
            )
            written = await self._write(verdict, after=head)
            if written is not None:
                return written

    def _verdict(self, facts: Facts, assessed: Assessment) -> Verdict:
        return Verdict(
            video_id=facts.video_id,
            step=HEAD,
            verdict_id=self.next_id(),
            creator_id=facts.creator_id,
            kind=assessed.kind,
            policy=assessed.policy,
            evidence_json=evidence_to_json(assessed.evidence),
            severity=assessed.severity,
            publication_version=facts.publication_version,
            facts_hash=facts.facts_hash,
            decided_at_ms=self.clock.now_ms(),
            review_id=self.next_id() if assessed.kind is VerdictKind.REVIEW else 0,
        )

    async def _write(self, verdict: Verdict, *, after: Verdict | None) -> Verdict | None:
        event = self._changed(replace(verdict, step=_number_after(after)))
        written = await self.store.add(verdict, after=after, event=event)
        if written is not None:
            _log.info("verdict", extra={"video_id": verdict.video_id, "verdict_id": verdict.verdict_id, "kind": verdict.kind.name})
        return written

    def _changed(self, verdict: Verdict) -> Event:
        message = events_pb2.VerdictChanged(verdict=verdict_to_proto(verdict), creator_id=verdict.creator_id)
        return self.events.make(message, key=str(verdict.video_id), subject_ids=(verdict.creator_id,))

    async def _queue(self, head: Verdict, *, caption: str) -> None:
        """Let the desk follow a verdict that stands, so that a process that ended in between left nothing undone."""
        await self._supersede_before(head)
        if head.kind is VerdictKind.REVIEW:
            await self.desk.open(head, caption=caption)

    async def _supersede_before(self, head: Verdict) -> None:
        key = (head.video_id, head.version - 1)
        before = (await self.store.numbered([key])).get(key) if head.version > 1 else None
        if before is not None and before.review_id and before.review_id != head.review_id:
            await self.desk.supersede(before.review_id)


def _number_after(head: Verdict | None) -> int:
    return 1 if head is None else head.version + 1


def _was_blocked(head: Verdict | None) -> bool:
    """Whether the last moderator who looked at the video blocked it."""
    if head is None:
        return False
    if head.decided_by:
        return head.kind is VerdictKind.BLOCK
    return any(entry.policy == rules.BLOCKED_BEFORE for entry in evidence_from_json(head.evidence_json))
