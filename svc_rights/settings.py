"""Settings of the rights service."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.store_settings import StoreSettings
from svc_rights.publication.tables import VerdictKind


class UnclassifiedPolicy(enum.StrEnum):
    """What media means that no classifier looked at."""

    ALLOW = "ALLOW"
    LIMIT = "LIMIT"
    REVIEW = "REVIEW"

    @property
    def kind(self) -> VerdictKind:
        """The verdict it stands for."""
        return VerdictKind[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsSettings(StoreSettings):
    """What the rights service reads from its environment."""

    unclassified_policy: UnclassifiedPolicy = UnclassifiedPolicy.ALLOW
    """ALLOW, LIMIT or REVIEW for media that no classifier looked at. No model ships with this release, so all media is unclassified: ALLOW
    leaves the decision to the other rules, LIMIT keeps every clip out of recommendations, REVIEW sends every clip to a moderator."""
    policy_file: str = ""
    """A JSON file with word lists, blocked domains and thresholds that are added to the built-in ones; empty for the built-in ones alone."""
