"""Texts beside publications, such as comments: judged by the words and links of the gate, kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from svc_rights.publication import rules
from svc_rights.publication.facts import Assessment, Facts
from svc_rights.publication.links import domains
from svc_rights.publication.policy import Policy
from svc_rights.publication.words import WordLists


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedText:
    """What the rules say of a text."""

    assessment: Assessment
    has_link: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPolicy:
    """Judges texts."""

    policy: Policy
    words: WordLists

    async def assess(self, texts: Sequence[Facts]) -> list[JudgedText]:
        """What the rules say of each text, in their order."""
        judged: list[JudgedText] = []
        for facts in texts:
            assessment = rules.assess_text(facts, policy=self.policy, words=self.words)
            judged.append(JudgedText(assessment=assessment, has_link=bool(domains(facts.caption, listed=self.policy.blocked_domains))))
            # A long text takes some milliseconds: other calls go in between.
            await asyncio.sleep(0)
        return judged
