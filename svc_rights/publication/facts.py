"""What the gate looks at and what it answers, before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass

from svc_rights.publication.tables import VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact of a detector."""

    name: str
    score: float
    """0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One publication as the caller describes it."""

    video_id: int
    creator_id: int
    publication_version: int
    caption: str
    hashtags: tuple[str, ...]
    language: str
    """BCP 47; empty means unknown."""
    perceptual_hashes: tuple[bytes, ...]
    findings: tuple[Finding, ...]
    classified: bool
    account_level: int
    """rights.v1.AccountLevel."""
    age_band: int
    """common.v1.AgeBand."""
    facts_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HashMatch:
    """The nearest entry of the block list within the threshold."""

    blocked: bytes
    distance: int
    """Differing bits, 0 to 31."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one rule alone would say, and why."""

    policy: str
    detail: str
    kind: VerdictKind
    severity: int = 0
    """0 to 100; orders the review queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What all rules together say: the most severe."""

    kind: VerdictKind
    policy: str
    severity: int
    evidence: tuple[Evidence, ...]
