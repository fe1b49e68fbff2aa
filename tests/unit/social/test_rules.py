"""Rules about names, addresses, passwords and birth dates, at their edges."""

from __future__ import annotations

from datetime import date

import pytest
from clipmesh.common.v1 import viewer_pb2
from hypothesis import given
from hypothesis import strategies as st

from mesh.settings import InvalidSetting, read
from svc_social.identity import rules
from svc_social.identity.errors import HandleNotAllowed, InvalidBirthDate, InvalidEmail, InvalidText, PasswordTooWeak, TooYoung
from svc_social.identity.masks import mask_of, purposes_of, roles_of
from svc_social.settings import SocialSettings, roles_by_handle

PERSONAL, ADS = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION, viewer_pb2.CONSENT_PURPOSE_ADS
SETTINGS = {"CLIPMESH_SECRETS": "s", "CLIPMESH_TABLES": "sqlite:///t", "CLIPMESH_BLOBS": "file:///b", "CLIPMESH_REDIS": "redis://r"}


@pytest.mark.parametrize(
    ("text", "handle"),
    [("alice", "alice"), ("@Alice", "alice"), (" a1 ", "a1"), ("a.b_c", "a.b_c"), ("_a_", "_a_"), ("a" * 24, "a" * 24), ("00", "00")],
)
def test_handles_that_are_allowed(text: str, handle: str) -> None:
    assert rules.fold_handle(text) == rules.check_new_handle(text) == handle


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a" * 25,
        "a b",
        "a-b",
        ".ab",
        "ab.",
        "a..b",
        "__",
        "._.",
        "@@ab",
        "äb",
        "аlice",
        "ａlice",
        "ali\u200bce",
        "İa",
    ],
)
def test_handles_that_are_not(text: str) -> None:
    for check in (rules.fold_handle, rules.check_new_handle):
        with pytest.raises(HandleNotAllowed):
            check(text)


@pytest.mark.parametrize(("text", "handle"), [("ADMIN", "admin"), ("a.d.m.i.n", "a.d.m.i.n"), ("_mod_", "_mod_")])
def test_reserved_handles_are_found_and_given_to_nobody(text: str, handle: str) -> None:
    with pytest.raises(HandleNotAllowed):
        rules.check_new_handle(text)
    assert rules.fold_handle(text) == handle


@given(st.text())
def test_a_folded_handle_is_ascii_and_folds_to_itself(text: str) -> None:
    try:
        handle = rules.fold_handle(text)
    except HandleNotAllowed:
        return
    assert handle.isascii()
    assert rules.fold_handle(handle) == handle


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("A@Example.ORG", "a@example.org"),
        (" a.b+c@sub.example.org ", "a.b+c@sub.example.org"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("ａ@example.org", "a@example.org"),
    ],
)
def test_addresses_that_are_allowed(text: str, email: str) -> None:
    assert rules.fold_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b.c",
        "a@",
        "a@b",
        "a@b..c",
        "a@-b.org",
        "a@b.org.",
        "a b@c.org",
        ".a@b.org",
        "a..b@c.org",
        "a@127.0.0.1",
        "ä@b.org",
        "a@b@c.org",
        "a" * 65 + "@b.org",
        "a@" + "b" * 250 + ".org",
        'a"b@c.org',
    ],
)
def test_addresses_that_are_not(text: str) -> None:
    with pytest.raises(InvalidEmail):
        rules.fold_email(text)


@pytest.mark.parametrize("password", ["a good one", "x1y2z3w4", "пароль-семь", "p" * 3 + "q" * 3 + "r" * 122])
def test_passwords_that_are_allowed(password: str) -> None:
    assert rules.check_password(password, handle="alice", email="alice@example.org") == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "seven77",
        "p" * 60 + "q" * 69,
        "password",
        "PassWord1",
        "iloveyou",
        "aaaaaaaa",
        "abababab",
        "alicealice",
        "alice@example.org",
        "12345678",
    ],
)
def test_passwords_that_are_not(password: str) -> None:
    with pytest.raises(PasswordTooWeak):
        rules.check_password(password, handle="alicealice", email="alice@example.org")


def test_birthdays_count_by_the_day_and_leap_days_by_the_first_of_march() -> None:
    assert rules.age_years(date(2000, 2, 29), date(2013, 2, 28)) == 12
    assert rules.age_years(date(2000, 2, 29), date(2013, 3, 1)) == 13
    assert rules.check_birth_date("2012-03-04", date(2025, 3, 4)) == date(2012, 3, 4)
    with pytest.raises(TooYoung):
        rules.check_birth_date("2012-03-05", date(2025, 3, 4))
    for text in ("2025-03-05", "1904-03-03", "2012-13-01", "2011-02-29", "12-1-1"):
        with pytest.raises(InvalidBirthDate):
            rules.check_birth_date(text, date(2025, 3, 4))
    bands = [rules.age_band(date(year, 3, 4), date(2025, 3, 4)) for year in (2012, 2010, 2009, 2008, 2007)]
    assert bands == [1, 1, 2, 2, 3]


def test_text_keeps_emoji_and_words_and_drops_what_cannot_be_seen() -> None:
    assert rules.check_text("  a\r\nb  ", field="bio", most=10, lines=True) == "a\nb"
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert rules.check_display_name(family) == family
    assert rules.check_display_name("نمی\u200cخواهم") == "نمی\u200cخواهم"
    assert rules.check_display_name("e\u0301") == "é"
    for text in ("a\u200db", "a\u200b", "\u202eabc", "a\u0007", "a\u2028b", "\ud800", "a\u200d"):
        if text == "a\u200db":
            assert rules.check_display_name(text) == text
            continue
        with pytest.raises(InvalidText):
            rules.check_display_name(text)


def test_masks_are_sets() -> None:
    assert roles_of(mask_of([4, 1, 4])) == (1, 4)
    assert purposes_of(0) == ()
    assert rules.allowed_consents([ADS, PERSONAL, ADS], viewer_pb2.AGE_BAND_ADULT) == (1, 3)
    assert rules.allowed_consents([ADS, PERSONAL], viewer_pb2.AGE_BAND_UNSPECIFIED) == (1,)


def test_bootstrap_roles_are_read_by_handle() -> None:
    assert roles_by_handle(("alice:moderator", "Alice: operator", "bob:admin")) == {"alice": (4, 6), "bob": (7,)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"CLIPMESH_BOOTSTRAP_ROLES": "alice"},
        {"CLIPMESH_BOOTSTRAP_ROLES": "alice:emperor"},
        {"CLIPMESH_BOOTSTRAP_ROLES": ":admin"},
        {"CLIPMESH_OAUTH_REDIRECTS": "/callback"},
        {"CLIPMESH_OAUTH_REDIRECTS": "http://example.org/callback"},
        {"CLIPMESH_OAUTH_REDIRECTS": "https://*.example.org/callback"},
        {"CLIPMESH_OAUTH_REDIRECTS": "https://example.org/callback#x"},
        {"CLIPMESH_OAUTH_REDIRECTS": "javascript:alert(1)"},
        {"CLIPMESH_MAIL": "smtp://mail.example"},
        {"CLIPMESH_PUSH": "https://push.example"},
        {"CLIPMESH_ORIGIN": "clipmesh.example"},
        {"CLIPMESH_ORIGIN": "https://clipmesh.example/app"},
        {"CLIPMESH_PASSWORD_WORKERS": "0"},
    ],
)
def test_wrong_settings_are_refused_at_start(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidSetting):
        read(SocialSettings, {**SETTINGS, **wrong})


def test_good_settings_are_read() -> None:
    settings = read(SocialSettings, {**SETTINGS, "CLIPMESH_OAUTH_REDIRECTS": "https://a.example/cb, http://127.0.0.1:9/cb"})
    assert settings.oauth_redirects == ("https://a.example/cb", "http://127.0.0.1:9/cb")
