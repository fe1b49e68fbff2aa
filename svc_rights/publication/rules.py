"""The rules of the gate: pure functions from facts to evidence; the most severe evidence is the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from clipmesh.common.v1 import viewer_pb2
from clipmesh.rights.v1 import publication_service_pb2 as pb

from svc_rights.publication.facts import Assessment, Evidence, Facts, HashMatch
from svc_rights.publication.links import domains, has_contact, within
from svc_rights.publication.policy import Policy, Threshold
from svc_rights.publication.tables import VerdictKind
from svc_rights.publication.words import WordLists

MAX_LINKS = 3
MAX_MENTIONS = 10
_WORD_SEVERITY = 60
_ALLOWED_BY_DEFAULT = "default.allow"
BLOCKED_BEFORE = "review.blocked_before"


def assess(facts: Facts, *, policy: Policy, words: WordLists, match: HashMatch | None, was_blocked: bool) -> Assessment:
    """The verdict of all rules, with everything that any of them said."""
    evidence = (
        *_hash(match),
        *_blocked_before(was_blocked),
        *_account(facts),
        *_words(facts, words),
        *_links(facts, policy),
        *_young(facts),
        *_findings(facts, policy),
        *_unclassified(facts, policy),
    )
    return _worst(evidence)


def assess_text(facts: Facts, *, policy: Policy, words: WordLists) -> Assessment:
    """What the rules that look at words alone say of a text beside a publication; how far its author is trusted counts for links only."""
    return _worst((*_words(facts, words), *_links(facts, policy), *_young(facts)))


def _worst(evidence: tuple[Evidence, ...]) -> Assessment:
    if not evidence:
        return Assessment(kind=VerdictKind.ALLOW, policy=_ALLOWED_BY_DEFAULT, severity=0, evidence=())
    worst = max(evidence, key=lambda entry: (entry.kind, entry.severity))
    severity = max(entry.severity for entry in evidence if entry.kind is worst.kind)
    return Assessment(kind=worst.kind, policy=worst.policy, severity=severity, evidence=evidence)


def _hash(match: HashMatch | None) -> Iterator[Evidence]:
    if match is not None:
        detail = f"{match.distance} bits from blocked hash {match.blocked.hex()[:16]}"
        yield Evidence(policy="hash.blocked", detail=detail, kind=VerdictKind.BLOCK, severity=90)


def _blocked_before(was_blocked: bool) -> Iterator[Evidence]:
    """Other words do not undo what a moderator decided: a moderator looks again."""
    if was_blocked:
        yield Evidence(policy=BLOCKED_BEFORE, detail="a moderator blocked this video in other words", kind=VerdictKind.REVIEW, severity=65)


def _account(facts: Facts) -> Iterator[Evidence]:
    if facts.account_level == pb.ACCOUNT_LEVEL_SUSPENDED:
        yield Evidence(policy="account.suspended", detail="the account may not publish", kind=VerdictKind.BLOCK)
    elif facts.account_level == pb.ACCOUNT_LEVEL_LIMITED:
        yield Evidence(policy="account.limited", detail="the account has strikes", kind=VerdictKind.LIMIT)
    elif facts.account_level == pb.ACCOUNT_LEVEL_UNSPECIFIED:
        yield Evidence(policy="account.unknown", detail="nobody said how far the account is trusted", kind=VerdictKind.REVIEW, severity=10)


def _words(facts: Facts, words: WordLists) -> Iterator[Evidence]:
    names = {VerdictKind.BLOCK: "text.blocked_word", VerdictKind.REVIEW: "text.review_word", VerdictKind.LIMIT: "text.limited_word"}
    for hit in words.find((facts.caption, *facts.hashtags), language=facts.language):
        yield Evidence(policy=names[hit.kind], detail=f"{hit.word!r} of list {hit.language}", kind=hit.kind, severity=_WORD_SEVERITY)


def _links(facts: Facts, policy: Policy) -> Iterator[Evidence]:
    hosts = domains(facts.caption, listed=policy.blocked_domains)
    blocked = [host for host in hosts if within(host, policy.blocked_domains)]
    if blocked:
        yield Evidence(policy="link.blocked", detail=", ".join(blocked), kind=VerdictKind.BLOCK, severity=70)
    if len(hosts) > MAX_LINKS:
        yield Evidence(policy="link.many", detail=f"{len(hosts)} links", kind=VerdictKind.REVIEW, severity=30)
    if hosts and facts.account_level == pb.ACCOUNT_LEVEL_NEW:
        yield Evidence(policy="link.new_account", detail=hosts[0], kind=VerdictKind.LIMIT)
    if facts.caption.count("@") > MAX_MENTIONS:
        yield Evidence(policy="spam.mentions", detail=f"{facts.caption.count('@')} mentions", kind=VerdictKind.LIMIT)


def _young(facts: Facts) -> Iterator[Evidence]:
    """A person under 16, or of unknown age, does not hand out ways to be reached before a moderator looked."""
    young = facts.age_band in (viewer_pb2.AGE_BAND_13_TO_15, viewer_pb2.AGE_BAND_UNSPECIFIED)
    if young and (domains(facts.caption) or has_contact(facts.caption)):
        yield Evidence(policy="minor.contact", detail="link or contact data", kind=VerdictKind.REVIEW, severity=75)


def _findings(facts: Facts, policy: Policy) -> Iterator[Evidence]:
    for finding in facts.findings:
        threshold = policy.thresholds.get(finding.name)
        kind = _reached(threshold, finding.score) if threshold is not None else None
        if threshold is not None and kind is not None:
            detail = f"score {finding.score:.3f}"
            yield Evidence(policy=f"media.{finding.name}", detail=detail, kind=kind, severity=threshold.severity)


def _reached(threshold: Threshold, score: float) -> VerdictKind | None:
    for kind, at in (
        (VerdictKind.BLOCK, threshold.block),
        (VerdictKind.REVIEW, threshold.review),
        (VerdictKind.LIMIT, threshold.limit),
    ):
        if score >= at:
            return kind
    return None


def _unclassified(facts: Facts, policy: Policy) -> Iterator[Evidence]:
    if not facts.classified:
        yield Evidence(policy="media.unclassified", detail="no classifier looked", kind=policy.unclassified, severity=5)


def stands(decided_by: int, *, assessed: Assessment) -> bool:
    """Whether a moderator's decision holds when other facts come for the same words and media: yes, unless the rules would now block."""
    return decided_by != 0 and assessed.kind is not VerdictKind.BLOCK
