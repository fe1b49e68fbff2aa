"""Verdicts, facts and block list entries between rows and protos."""

from __future__ import annotations

import hashlib
import json

from clipmesh.rights.v1 import publication_service_pb2 as pb
from clipmesh.rights.v1 import text_policy_service_pb2

from svc_rights.publication.facts import Evidence, Facts, Finding
from svc_rights.publication.tables import BlockedHash, Verdict, VerdictKind


def kind_to_proto(kind: VerdictKind) -> pb.VerdictKind.ValueType:
    """The kinds have the same numbers."""
    return pb.VerdictKind.ValueType(int(kind))


def facts_from_proto(request: pb.AssessPublicationRequest) -> Facts:
    """The facts with their hash, which covers every field."""
    return Facts(
        video_id=request.video_id,
        creator_id=request.creator_id,
        publication_version=request.publication_version,
        caption=request.caption,
        hashtags=tuple(request.hashtags),
        language=request.language,
        perceptual_hashes=tuple(request.perceptual_hashes),
        findings=tuple(Finding(name=finding.name, score=finding.score) for finding in request.findings),
        classified=request.classified,
        account_level=request.account_level,
        age_band=request.age_band,
        facts_hash=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
    )


def evidence_to_json(evidence: tuple[Evidence, ...]) -> str:
    """Evidence as its column holds it; long details are cut."""
    return json.dumps([[entry.policy, entry.detail[:300], int(entry.kind)] for entry in evidence], ensure_ascii=False)


def evidence_from_json(text: str) -> tuple[Evidence, ...]:
    """Evidence of a column; severities are not kept one by one."""
    return tuple(Evidence(policy=policy, detail=detail, kind=VerdictKind(kind)) for policy, detail, kind in json.loads(text))


def verdict_to_proto(verdict: Verdict) -> pb.Verdict:
    """A verdict with all its evidence."""
    evidence = evidence_from_json(verdict.evidence_json)
    return pb.Verdict(
        verdict_id=verdict.verdict_id,
        video_id=verdict.video_id,
        kind=kind_to_proto(verdict.kind),
        policy=verdict.policy,
        evidence=[pb.Evidence(policy=entry.policy, detail=entry.detail, kind=kind_to_proto(entry.kind)) for entry in evidence],
        publication_version=verdict.publication_version,
        decided_at_ms=verdict.decided_at_ms,
        decided_by=verdict.decided_by,
        version=verdict.number,
    )


def blocked_to_proto(blocked: BlockedHash) -> pb.BlockedHash:
    """An entry of the block list."""
    return pb.BlockedHash(hash=blocked.hash, reason=blocked.reason, added_at_ms=blocked.added_at_ms, added_by=blocked.added_by)


def text_facts_from_proto(text: text_policy_service_pb2.AssessedText) -> Facts:
    """A text beside a publication as the rules look at words: there is no media, and no publication of its own."""
    return Facts(
        video_id=0,
        creator_id=0,
        publication_version=0,
        caption=text.text,
        hashtags=(),
        language=text.language,
        perceptual_hashes=(),
        findings=(),
        classified=True,
        account_level=text.account_level,
        age_band=text.age_band,
        facts_hash=b"",
    )
