"""Links and contact data in a text, also when they were written to be overlooked."""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet

import re2

_BARE_TLDS = frozenset(
    [
        "com",
        "net",
        "org",
        "info",
        "biz",
        "io",
        "co",
        "app",
        "dev",
        "me",
        "tv",
        "gg",
        "ly",
        "to",
        "cc",
        "ru",
        "cn",
        "xyz",
        "top",
        "site",
        "online",
        "shop",
        "store",
        "club",
        "live",
        "link",
        "click",
        "fun",
        "vip",
        "win",
        "bet",
        "casino",
        "loan",
        "tk",
        "ml",
        "ga",
        "cf",
        "gq",
        "pw",
        "ws",
        "su",
        "de",
        "uk",
        "fr",
        "es",
        "it",
        "nl",
        "pl",
        "br",
        "in",
        "jp",
        "kr",
        "eu",
        "us",
    ]
)
"""Endings that make a name without http a link; shorter than the real list, so that `hello.world` stays a word."""
_NAME = re2.compile(r"[\pL\pN][\pL\pN.-]*")
_SCHEME = re2.compile(r"\s*://\s*")
_HIDDEN_DOT = re2.compile(r"\s*[\[({<]\s*(?:dot|\.)\s*[\])}>]\s*|\s+dot\s+")
_EMAIL = re2.compile(r"[\pL\pN]@[\pL\pN-]+\.[\pL\pN]")
_PHONE = re2.compile(r"(?:^|[^a-z0-9])\+?[0-9](?:[ ()/.-]{0,2}[0-9]){8,14}(?:$|[^a-z0-9])")


def _plain(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(character for character in compatible if unicodedata.category(character) != "Cf")
    return str(_SCHEME.sub("://", _HIDDEN_DOT.sub(".", visible)))


def within(host: str, listed: AbstractSet[str]) -> bool:
    """True when a host or a domain above it is listed."""
    labels = host.split(".")
    return any(".".join(labels[place:]) in listed for place in range(len(labels)))


def _is_link(labels: list[str], *, has_scheme: bool) -> bool:
    if len(labels) < 2 or not all(0 < len(label) <= 63 for label in labels):
        return False
    return has_scheme or labels[0] == "www" or labels[-1] in _BARE_TLDS


def domains(text: str, *, listed: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
    """Host names that a text links to, each once, without a leading www; `listed` ones count whatever they end with. What stands beside an
    @ is an address, no link."""
    plain = _plain(text)
    found: list[str] = []
    for match in _NAME.finditer(plain):
        start, end = match.span()
        if plain[start - 1 : start] == "@" or plain[end : end + 1] == "@":
            continue
        host = match.group().strip(".-")
        if _is_link(host.split("."), has_scheme=plain[max(0, start - 3) : start] == "://") or within(host, listed):
            found.append(host.removeprefix("www."))
    return tuple(dict.fromkeys(found))


def has_contact(text: str) -> bool:
    """True when a text has an e-mail address or what looks like a phone number."""
    plain = _plain(text)
    return bool(_EMAIL.search(plain) or _PHONE.search(plain))
