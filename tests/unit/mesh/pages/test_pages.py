"""Page tokens serve one list of one viewer; page sizes stay within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import InvalidPageToken
from mesh.pages import PageTokens, clamp

TOKENS = PageTokens(b"k" * 16)


@given(cursor=st.text(st.characters(exclude_categories=["Cs"])), name=st.text("ab:"), scope=st.text("ab:"))
def test_a_token_gives_its_cursor_back(cursor: str, name: str, scope: str) -> None:
    assert TOKENS.decode(name, scope, TOKENS.encode(name, scope, cursor)) == cursor


def test_the_end_of_a_list_is_an_empty_token_both_ways() -> None:
    assert TOKENS.encode("studio", "7", "") == ""
    assert TOKENS.decode("studio", "7", "") == ""


def test_a_token_of_another_list_scope_or_key_is_refused() -> None:
    token = TOKENS.encode("studio", "7", "cursor")
    for tokens, name, scope in (
        (TOKENS, "feed", "7"),
        (TOKENS, "studio", "8"),
        (TOKENS, "studio7", ""),
        (TOKENS, "", "studio7"),
        (PageTokens(b"l" * 16), "studio", "7"),
    ):
        with pytest.raises(InvalidPageToken):
            tokens.decode(name, scope, token)


def test_every_alteration_of_a_token_is_refused() -> None:
    token = TOKENS.encode("studio", "7", "cursor!")
    altered = {token[:at] + other + token[at + 1 :] for at in range(len(token)) for other in "AZaz09-_=+/ü\n" if other != token[at]}
    altered |= {token[:at] for at in range(1, len(token))} | {token + more for more in ("A", "=", "==", " ", "AAAA")}
    for forged in altered | {"A", "AAAA", "=", "\0"}:
        with pytest.raises(InvalidPageToken):
            TOKENS.decode("studio", "7", forged)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PageTokens(b"short")


def test_sizes_are_clamped() -> None:
    assert [clamp(size) for size in (-1, 0, 1, 100, 101)] == [20, 20, 1, 100, 100]
    assert [clamp(size, default=5, most=8) for size in (0, 8, 9)] == [5, 8, 8]
