"""The operator's policy: word lists, domains, thresholds of detectors, and what to do with media that nobody classified."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svc_rights.publication.tables import VerdictKind

Words = Mapping[str, Mapping[VerdictKind, Sequence[str]]]


class InvalidPolicy(ValueError):
    """The policy file cannot be used; the text names the place in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From which score a finding means what; above 1 means never."""

    limit: float = 2.0
    review: float = 2.0
    block: float = 2.0
    severity: int = 50
    """Of a review, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that an operator may choose about the gate."""

    words: Words
    blocked_domains: frozenset[str]
    thresholds: Mapping[str, Threshold]
    unclassified: VerdictKind = VerdictKind.ALLOW
    """What media means that no classifier looked at. No model ships with this release, so by default its absence alone changes nothing:
    the other rules still speak. LIMIT keeps such clips out of recommendations, REVIEW sends each to a moderator."""


_B, _R, _L = VerdictKind.BLOCK, VerdictKind.REVIEW, VerdictKind.LIMIT

BUILT_IN_WORDS: Words = {
    "*": {_B: ["child porn", "cheese pizza trade", "heil hitler"], _R: ["onlyfans", "telegram escort"]},
    "en": {
        _B: ["kill yourself", "gas the jews", "rape her", "lynch them"],
        _R: ["kys", "suicide method", "cocaine for sale", "fake passport", "buy followers", "guaranteed profit", "nude leak"],
        _L: ["fuck", "fucking", "motherfucker", "shit", "bitch", "cunt"],
    },
    "de": {
        _B: ["bring dich um", "vergast die juden"],
        _R: ["selbstmordmethode", "kokain zu verkaufen", "follower kaufen"],
        _L: ["scheisse", "ficken", "fotze", "hurensohn"],
    },
    "es": {_B: ["mátate"], _R: ["comprar seguidores", "cocaína en venta"], _L: ["mierda", "puta", "joder"]},
    "fr": {_B: ["suicide-toi"], _R: ["acheter des abonnés", "cocaïne à vendre"], _L: ["merde", "putain", "connard"]},
    "ru": {_B: ["убей себя"], _R: ["купить подписчиков", "кокаин купить"], _L: ["сука", "блядь"]},
}
"""Small on purpose: an operator brings lists; this one shows that each language and each kind works."""

BUILT_IN_THRESHOLDS: Mapping[str, Threshold] = {
    "child_safety": Threshold(review=0.2, block=0.6, severity=100),
    "violence": Threshold(limit=0.5, review=0.75, block=0.97, severity=70),
    "self_harm": Threshold(limit=0.4, review=0.6, severity=80),
    "nudity": Threshold(limit=0.5, review=0.7, block=0.95, severity=60),
    "drugs": Threshold(limit=0.6, review=0.8, severity=40),
    "weapons": Threshold(limit=0.6, review=0.85, severity=50),
    "black_ratio": Threshold(limit=0.98),
}
"""A clip that is black throughout is not recommended. A still picture with sound is a form of its own, so frozen_ratio has no threshold."""

BUILT_IN = Policy(words=BUILT_IN_WORDS, blocked_domains=frozenset({"malware.test", "phishing.test"}), thresholds=BUILT_IN_THRESHOLDS)

_KINDS = {"block": VerdictKind.BLOCK, "review": VerdictKind.REVIEW, "limit": VerdictKind.LIMIT}


def load(path: str, *, unclassified: VerdictKind) -> Policy:
    """The built-in policy with the file's words, domains and thresholds added; `"built_in": false` in the file leaves the built-in ones out.

    `{"words": {"en": {"block": [...], "review": [...], "limit": [...]}}, "blocked_domains": [...],
    "thresholds": {"nudity": {"review": 0.7, "block": 0.95, "severity": 60}}}`; an empty path is the built-in policy alone. Raises InvalidPolicy.
    """
    document: dict[str, Any] = {}
    if path:
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InvalidPolicy(f"policy file {path} cannot be read: {type(error).__name__}") from error
    if not isinstance(document, dict) or (unknown := set(document) - {"built_in", "words", "blocked_domains", "thresholds"}):
        raise InvalidPolicy(f"policy file {path}: unknown {', '.join(sorted(unknown)) if isinstance(document, dict) else 'document'}")
    start = BUILT_IN if document.get("built_in", True) else Policy(words={}, blocked_domains=frozenset(), thresholds={})
    return Policy(
        words=_words(path, start.words, document.get("words", {})),
        blocked_domains=start.blocked_domains | {str(domain).lower() for domain in document.get("blocked_domains", [])},
        thresholds={**start.thresholds, **_thresholds(path, document.get("thresholds", {}))},
        unclassified=unclassified,
    )


def _words(path: str, start: Words, added: Any) -> Words:
    words: dict[str, dict[VerdictKind, Sequence[str]]] = {language: dict(by_kind) for language, by_kind in start.items()}
    if not isinstance(added, dict):
        raise InvalidPolicy(f"policy file {path}: words is no object")
    for language, by_kind in added.items():
        if not isinstance(by_kind, dict) or not set(by_kind) <= set(_KINDS):
            raise InvalidPolicy(f"policy file {path}: words.{language} has kinds other than block, review and limit")
        for name, entries in by_kind.items():
            if not isinstance(entries, list) or not all(isinstance(entry, str) and entry.strip() for entry in entries):
                raise InvalidPolicy(f"policy file {path}: words.{language}.{name} is no list of words")
            listed = words.setdefault(language, {})
            listed[_KINDS[name]] = [*listed.get(_KINDS[name], []), *entries]
    return words


def _thresholds(path: str, added: Any) -> dict[str, Threshold]:
    if not isinstance(added, dict):
        raise InvalidPolicy(f"policy file {path}: thresholds is no object")
    try:
        return {str(name): Threshold(**values) for name, values in added.items()}
    except TypeError as error:
        raise InvalidPolicy(f"policy file {path}: thresholds have limit, review, block and severity only") from error
