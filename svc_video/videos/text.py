"""Words of creators, cleaned: harmless variants are normalised, characters that deceive a reader are refused."""

from __future__ import annotations

import re
import unicodedata

from svc_video.videos.errors import InvalidLanguage, InvalidText

MAX_CAPTION_CHARACTERS = 2_200
MAX_HASHTAG_CHARACTERS = 100
MAX_LANGUAGE_CHARACTERS = 35

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: they let a text read otherwise than it is written. The plain marks U+200E and U+200F are ordinary."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def clean_caption(caption: str) -> str:
    """The caption in NFC with plain line ends and without outer space. Raises InvalidText for control characters (but line ends and tabs),
    bidirectional controls, lone surrogates, private characters and noncharacters; newer characters than this Python knows pass."""
    text = unicodedata.normalize("NFC", caption.replace("\r\n", "\n").replace("\r", "\n")).strip()
    for character in text:
        if character in "\n\t":
            continue
        if character in _BIDI_CONTROLS or unicodedata.category(character) in {"Cc", "Cs", "Co"} or _is_noncharacter(ord(character)):
            raise InvalidText(f"the caption has U+{ord(character):04X}, which is not allowed", field="caption")
    if len(text) > MAX_CAPTION_CHARACTERS:
        raise InvalidText(f"the caption has {len(text)} characters, at most {MAX_CAPTION_CHARACTERS} are allowed", field="caption")
    return text


def clean_hashtags(hashtags: tuple[str, ...]) -> tuple[str, ...]:
    """The hashtags without #, folded (NFKC, lower case), each once, in the order given.

    Raises InvalidText for one that is empty, too long or has anything but letters, marks, digits and the underscore.
    """
    folded: dict[str, None] = {}
    for hashtag in hashtags:
        tag = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", hashtag).lower()).strip().lstrip("#")
        if len(tag) > MAX_HASHTAG_CHARACTERS or not all(map(_is_word, tag)) or not any(map(str.isalnum, tag)):
            raise InvalidText("a hashtag is 1 to 100 letters, digits and underscores", field="hashtags")
        folded[tag] = None
    return tuple(folded)


def clean_language(language: str) -> str:
    """The tag as given. Raises InvalidLanguage when it has not the form of BCP 47."""
    if language and (len(language) > MAX_LANGUAGE_CHARACTERS or not _LANGUAGE.fullmatch(language)):
        raise InvalidLanguage("language is a BCP 47 tag, for example de or pt-BR", field="language")
    return language


def _is_noncharacter(point: int) -> bool:
    return point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF


def _is_word(character: str) -> bool:
    return character in "_\u200c\u200d" or unicodedata.category(character)[0] in "LMN"
