"""What is known of a creator beside the videos: facts of social, asked for when work is put in order."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Trust(enum.Enum):
    """How far an account is trusted."""

    UNKNOWN = "unknown"
    NEW = "new"
    GOOD = "good"
    LIMITED = "limited"
    """It has strikes, or may not publish at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """One account as social describes it now."""

    trust: Trust
    account_age_ms: int
    verified: bool
    followers: int = 0
    """Asked for verified accounts alone."""
