"""The persisted nouns of the gate: verdicts step by step, and hashes that may not come back."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, Scope, table


class VerdictKind(enum.IntEnum):
    """What the gate says; larger is more severe."""

    ALLOW = 1
    LIMIT = 2
    """Public, not recommended."""
    REVIEW = 3
    """A moderator decides first."""
    BLOCK = 4


HEAD = 0
"""The step that holds the newest verdict."""


@table("verdicts", guard=Guard.GUARDED, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One verdict on one video. Step 0 is the newest; step n is the log entry of the n-th, written in the same atomic write and never changed."""

    video_id: Partition[int]
    step: Clustering[int]
    verdict_id: int = 0
    creator_id: int = 0
    kind: VerdictKind = VerdictKind.BLOCK
    policy: str = ""
    """The rule that decided."""
    evidence_json: str = "[]"
    """`[[policy, detail, kind], ...]`: all rules that spoke."""
    severity: int = 0
    """0 to 100: how urgent a review is."""
    publication_version: int = 0
    facts_hash: bytes = b""
    """SHA-256 of the facts that were assessed."""
    decided_at_ms: int = 0
    decided_by: int = 0
    """The moderator; 0 means the rules."""
    reason: str = ""
    """The moderator's sentence."""
    review_id: int = 0
    """The review that was opened for it; 0 for none."""
    version: int = 0

    @property
    def number(self) -> int:
        """Counts the verdicts of the video from 1."""
        return self.step or self.version


@table("blocked_hashes", guard=Guard.GUARDED, scope=Scope.GLOBAL)
@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedHash:
    """A perceptual hash on the block list, or one that was taken off: who did it stays known."""

    bucket: Partition[int]
    """First four bits of the hash."""
    hash: Clustering[bytes]
    """256-bit PDQ, 32 bytes."""
    reason: str = ""
    added_at_ms: int = 0
    added_by: int = 0
    removed_at_ms: int = 0
    """0 while it is on the list."""
    removed_by: int = 0
    version: int = 0
