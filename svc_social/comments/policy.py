"""The neighbour on the right that judges texts. It is a safety check: whatever nobody judged is not written."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2, text_policy_service_pb2
from clipmesh.rights.v1.text_policy_service_pb2_grpc import TextPolicyServiceStub

from mesh.auth import without_viewer
from mesh.deadline import scope
from mesh.errors import MeshError, Unavailable

DEADLINE_S = 2.0


class Verdict(enum.Enum):
    """What the policy says of a text."""

    ALLOW = "allow"
    LIMIT = "limit"
    """It may be shown, not put before others."""
    REVIEW = "review"
    """Somebody looks first: here the creator of the video, in the queue of what is held."""
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict and a fact."""

    verdict: Verdict
    has_link: bool = False


class TextPolicy(Protocol):
    """Who judges texts."""

    async def judge(self, text: str, *, language: str, is_new: bool, age_band: int) -> Judged:
        """What the rules say. Raises Unavailable when nobody can say, and then the text must not be written."""
        ...


_VERDICTS = {
    publication_service_pb2.VERDICT_KIND_ALLOW: Verdict.ALLOW,
    publication_service_pb2.VERDICT_KIND_LIMIT: Verdict.LIMIT,
    publication_service_pb2.VERDICT_KIND_REVIEW: Verdict.REVIEW,
    publication_service_pb2.VERDICT_KIND_BLOCK: Verdict.BLOCK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsTextPolicy:
    """Asks rights."""

    rights: TextPolicyServiceStub

    async def judge(self, text: str, *, language: str, is_new: bool, age_band: int) -> Judged:
        """What rights says, within DEADLINE_S; a verdict that this code does not know is a BLOCK. Raises Unavailable."""
        level = publication_service_pb2.ACCOUNT_LEVEL_NEW if is_new else publication_service_pb2.ACCOUNT_LEVEL_GOOD
        asked = text_policy_service_pb2.AssessedText(
            text=text, language=language, account_level=level, age_band=viewer_pb2.AgeBand.ValueType(age_band)
        )
        try:
            with scope(DEADLINE_S), without_viewer():
                answer = await self.rights.BatchAssessTexts(text_policy_service_pb2.BatchAssessTextsRequest(texts=[asked]))
        except MeshError as error:
            raise Unavailable("nobody can judge the text at this moment; try again") from error
        if len(answer.verdicts) != 1:
            raise Unavailable("nobody can judge the text at this moment; try again")
        verdict = answer.verdicts[0]
        return Judged(verdict=_VERDICTS.get(verdict.kind, Verdict.BLOCK), has_link=verdict.has_link)
