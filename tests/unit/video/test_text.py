"""Words of creators: cleaned, folded or refused."""

from __future__ import annotations

import pytest

from svc_video.videos.errors import InvalidLanguage, InvalidText
from svc_video.videos.text import clean_caption, clean_hashtags, clean_language


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("", ""),
        ("  \n ", ""),
        (" a\r\nb\rc\td ", "a\nb\nc\td"),
        ("e\u0301", "é"),
        (
            "👩\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "👩\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
        ("שלום \u200f!", "שלום \u200f!"),
        ("\U0001fae9 a newer emoji than this Python knows", "\U0001fae9 a newer emoji than this Python knows"),
        ("𝒳" * 2_200, "𝒳" * 2_200),
    ],
)
def test_harmless_text_is_normalised(given: str, clean: str) -> None:
    assert clean_caption(given) == clean


@pytest.mark.parametrize(
    "bad", ["\x00", "\x07", "\x1b[31m", "\x7f", "\x85a", "\u202e", "\u2066", "\u2069", "\ue000", "\ufffe", "\U0010ffff", "\ufdd0"]
)
def test_deceiving_characters_are_refused(bad: str) -> None:
    with pytest.raises(InvalidText) as refused:
        clean_caption(f"a{bad}b")
    assert (refused.value.reason, refused.value.facts) == ("INVALID_TEXT", {"field": "caption"})


def test_length_counts_characters() -> None:
    with pytest.raises(InvalidText):
        clean_caption("x" * 2_201)


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ((), ()),
        (("#Dance", "dance", "DANCE", "ＤＡＮＣＥ", "##dance"), ("dance",)),
        (("b", "a", "b"), ("b", "a")),
        (("Straße", "İstanbul", "ﬁre"), ("straße", "i̇stanbul", "fire")),
        (("日本語", "हिन्दी", "snake_case", "2025"), ("日本語", "हिन्दी", "snake_case", "2025")),
    ],
)
def test_hashtags_are_folded_and_deduplicated(given: tuple[str, ...], clean: tuple[str, ...]) -> None:
    assert clean_hashtags(given) == clean


@pytest.mark.parametrize("bad", ["", "#", "a b", "a-b", "a#b", "a\nb", "😀", "\u200d", "_", "a\u202eb", "x" * 101, "ﷺ" * 10])
def test_hashtags_that_are_none_are_refused(bad: str) -> None:
    with pytest.raises(InvalidText):
        clean_hashtags(("fine", bad))


@pytest.mark.parametrize("tag", ["", "de", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske"])
def test_language_tags_pass(tag: str) -> None:
    assert clean_language(tag) == tag


@pytest.mark.parametrize("bad", ["d", "de_DE", "de-", "-de", "deutsch ist", "a" * 36, "de-123456789"])
def test_other_words_are_no_language(bad: str) -> None:
    with pytest.raises(InvalidLanguage):
        clean_language(bad)
