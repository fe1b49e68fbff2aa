"""Word lists by language, matched by RE2 on every reading of a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from svc_rights.publication.folding import fold, readings, spaced
from svc_rights.publication.tables import VerdictKind

EVERY_LANGUAGE = "*"
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that put no space between words."""


_MOST_MEMORY_BYTES = 64 << 20
"""Of one list: enough for some hundred thousand words."""


@dataclass(frozen=True, slots=True)
class WordHit:
    """A listed word that was found."""

    word: str
    language: str
    kind: VerdictKind


@dataclass(frozen=True, slots=True)
class _Matcher:
    language: str
    kind: VerdictKind
    pattern: Any


def _unspaced(word: str) -> bool:
    return any(unicodedata.name(character, "").startswith(_UNSPACED) for character in word)


def _expression(words: Iterable[str]) -> str:
    """One alternation for a list; words of a phrase may stand apart or together, as they do in hashtags."""
    apart: list[str] = []
    anywhere: list[str] = []
    for word in words:
        expression = " ?".join(re2.escape(part) for part in spaced(fold(word)).split())
        if expression:
            (anywhere if _unspaced(word) else apart).append(expression)
    alternatives = []
    if apart:
        alternatives.append(f" ({'|'.join(sorted(apart))}) ")
    if anywhere:
        alternatives.append(f"({'|'.join(sorted(anywhere))})")
    return "|".join(alternatives)


def _compiled(expression: str) -> Any:
    options = re2.Options()
    options.max_mem = _MOST_MEMORY_BYTES
    return re2.compile(expression, options)


class WordLists:
    """Compiled lists. A BLOCK word counts in every text, whatever language it claims; others in texts of their language or of none known."""

    def __init__(self, lists: Mapping[str, Mapping[VerdictKind, Sequence[str]]]) -> None:
        self._languages = frozenset(lists) - {EVERY_LANGUAGE}
        self._matchers = [
            _Matcher(language, kind, _compiled(expression))
            for language, by_kind in lists.items()
            for kind, words in by_kind.items()
            if (expression := _expression(words))
        ]

    def find(self, texts: Iterable[str], *, language: str) -> tuple[WordHit, ...]:
        """The first hit of each list, most severe first."""
        primary = language.partition("-")[0].lower()
        known = primary if primary in self._languages else ""
        spoken = [f" {reading} " for text in texts for reading in readings(text)]
        hits: list[WordHit] = []
        for matcher in self._matchers:
            if matcher.kind is not VerdictKind.BLOCK and known and matcher.language not in (known, EVERY_LANGUAGE):
                continue
            found = next((match for reading in spoken if (match := matcher.pattern.search(reading))), None)
            if found is not None:
                word = next(group for group in found.groups() if group)
                hits.append(WordHit(word, matcher.language, matcher.kind))
        return tuple(sorted(hits, key=lambda hit: -hit.kind))
