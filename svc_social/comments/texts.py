"""Pure decisions about texts of comments: whom they name, in which language they are, whether a creator's words stand in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from svc_social.comments.errors import TooManyMentions

MOST_CHARACTERS = 1_000
MOST_MENTIONS = 10
MOST_WORDS = 200
MOST_WORD_CHARACTERS = 50

_HANDLE = re.compile(r"(?<![\w@./-])@([A-Za-z0-9_][A-Za-z0-9_.]{0,22}[A-Za-z0-9_])(?![\w@])", re.ASCII)
"""What may be a handle: not the end of an e-mail address, nor a part of a link."""
_SCRIPTS = (
    ("ja", ("HIRAGANA", "KATAKANA")),
    ("ko", ("HANGUL",)),
    ("th", ("THAI",)),
    ("el", ("GREEK",)),
    ("he", ("HEBREW",)),
    ("hy", ("ARMENIAN",)),
    ("ka", ("GEORGIAN",)),
    ("ta", ("TAMIL",)),
    ("te", ("TELUGU",)),
    ("km", ("KHMER",)),
    ("lo", ("LAO",)),
)
"""Scripts that (nearly) one language is written in. Latin, Cyrillic, Arabic, Devanagari and Han serve many: of them nothing is said."""


def mentions_in(text: str) -> tuple[str, ...]:
    """The handles that a text names with @, in lower case, each once. Raises TooManyMentions."""
    found = tuple(dict.fromkeys(match.group(1).lower() for match in _HANDLE.finditer(text)))
    if len(found) > MOST_MENTIONS:
        raise TooManyMentions(most=MOST_MENTIONS)
    return found


def language_of(text: str, *, declared: str) -> str:
    """The declared language, else the one that the script of most letters stands for; empty where a script serves many."""
    if declared:
        return declared
    counts: dict[str, int] = {}
    letters = 0
    for character in text:
        if character.isalpha():
            letters += 1
            name = unicodedata.name(character, "")
            for language, scripts in _SCRIPTS:
                if name.startswith(scripts):
                    counts[language] = counts.get(language, 0) + 1
                    break
    # Japanese is written with Han too: a few kana among them tell.
    if letters and counts.get("ja", 0) * 5 >= letters:
        return "ja"
    return next((language for language, count in counts.items() if count * 2 > letters), "")


def folded(text: str) -> str:
    """A text as it is compared with a creator's words: compatible forms, no case, single spaces between words."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(
        "".join(character if character.isalnum() or unicodedata.category(character)[0] == "M" else " " for character in plain).split()
    )


def has_word(text: str, words: Iterable[str]) -> bool:
    """Whether one of a creator's words or phrases stands in a text. A word of a script without spaces counts anywhere, so does one made of signs."""
    spoken = f" {folded(text)} "
    for word in words:
        sought = folded(word)
        if not sought:
            if word in text:
                return True
        elif (sought if _is_unspaced(sought) else f" {sought} ") in spoken:
            return True
    return False


def _is_unspaced(word: str) -> bool:
    return any(
        unicodedata.name(character, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")) for character in word
    )


def words_joined(words: Sequence[str]) -> str:
    """Words as they are sealed: one a line."""
    return "\n".join(dict.fromkeys(words))


def words_apart(sealed_text: str) -> tuple[str, ...]:
    """The words again."""
    return tuple(sealed_text.split("\n")) if sealed_text else ()


def is_visible(text: str) -> bool:
    """Whether anything of a text can be seen."""
    return any(unicodedata.category(character)[0] in "LNPS" for character in text)
