"""Text as a person reads it, however it was spelled: case, accents, invisible characters, look-alikes, digits for letters, spaced letters."""

from __future__ import annotations

import unicodedata
from itertools import groupby

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t"})
_LOOK_ALIKES = str.maketrans("авекмнорстухіјѕԁԛԝαβεικνορτυχ", "abekmhopctyxijsdqwabeikvoptux")
"""Cyrillic and Greek letters that read as Latin ones."""
_DIGITS_AS_I = str.maketrans("013457@$!|€", "oieastasile")
_DIGITS_AS_L = str.maketrans("013457@$!|€", "oleastaslle")


def fold(text: str) -> str:
    """Lower case without accents, ligatures, widths and invisible characters."""
    compatible = unicodedata.normalize("NFKC", text)
    visible = "".join(character for character in compatible if unicodedata.category(character) not in ("Cf", "Cs", "Co"))
    bare = unicodedata.normalize("NFD", visible.casefold())
    return unicodedata.normalize("NFC", "".join(character for character in bare if unicodedata.category(character) != "Mn")).translate(
        _LETTERS
    )


def spaced(text: str) -> str:
    """The words of a text with one space between two, and nothing else."""
    return " ".join("".join(character if character.isalnum() else " " for character in text).split())


def _digits_read(text: str, table: dict[int, int]) -> str:
    """Digits and signs read as letters, in words that have a letter: prices and years stay what they are."""
    return " ".join(word.translate(table) if any(c.isalpha() for c in word) else word for word in text.split())


def _squeezed(text: str, kept: int) -> str:
    """Three or more of a letter in a row cut down to `kept`."""
    pieces = []
    for character, run in groupby(text):
        length = len(list(run))
        pieces.append(character * (kept if length >= 3 else length))
    return "".join(pieces)


def _spaced_joined(text: str) -> str:
    """Only the words that were spelled letter by letter: `f r e e` becomes `free`."""
    joined: list[str] = []
    for single, run in groupby(spaced(text).split(), key=lambda token: len(token) == 1):
        letters = list(run)
        if single and len(letters) >= 3:
            joined.append("".join(letters))
    return " ".join(joined)


def readings(text: str) -> tuple[str, ...]:
    """All ways in which a text may be meant, each once, as words with one space between; the plain folded one first."""
    plain = fold(text)
    latin = plain.translate(_LOOK_ALIKES)
    spelled = [plain, latin, _digits_read(latin, _DIGITS_AS_I), _digits_read(latin, _DIGITS_AS_L)]
    shorter = [_squeezed(reading, kept) for reading in spelled for kept in (1, 2)]
    joined = [_spaced_joined(reading) for reading in spelled]
    return tuple(dict.fromkeys(words for reading in (*spelled, *shorter, *joined) if (words := spaced(reading))))
