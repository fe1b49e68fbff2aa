"""Text as a person reads it: words, links and contact data are found however they were spelled, and innocent text is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_rights.publication.folding import readings, spaced
from svc_rights.publication.links import domains, has_contact
from svc_rights.publication.policy import BUILT_IN_WORDS, InvalidPolicy, load
from svc_rights.publication.tables import VerdictKind
from svc_rights.publication.words import WordLists
from tests.pace import cpu_ms

LISTS = WordLists(
    {
        "*": {VerdictKind.BLOCK: ["evil phrase"]},
        "en": {VerdictKind.LIMIT: ["badword"], VerdictKind.BLOCK: ["worst"]},
        "de": {VerdictKind.LIMIT: ["böse", "gift"]},
        "ru": {VerdictKind.LIMIT: ["дурак"]},
        "ja": {VerdictKind.LIMIT: ["馬鹿"]},
    }
)


def found(text: str, language: str = "en") -> list[str]:
    """The words that were found."""
    return [hit.word for hit in LISTS.find([text], language=language)]


@pytest.mark.parametrize(
    "text",
    [
        "badword",
        "BadWord!",
        "a badword.",
        "b\u00e1dw\u00f6rd",
        "ｂａｄｗｏｒｄ",
        "bad\u200bword",
        "bad\u00adword",
        "b4dw0rd",
        "b@dword",
        "baaaadword",
        "b a d w o r d",
        "b.a.d.w.o.r.d",
        "b-a-d-w-o-r-d",
        "bаdwоrd",
        "(badword)",
        "#badword",
        "b\u0336a\u0336d\u0336w\u0336o\u0336r\u0336d\u0336",
        "𝐛𝐚𝐝𝐰𝐨𝐫𝐝",
    ],
)
def test_a_word_is_found_however_it_is_spelled(text: str) -> None:
    assert found(text) == ["badword"]


@pytest.mark.parametrize("text", ["badwords", "notbadword", "bad word", "bad", "", "a b", "1 2 3", "b a d", "4 dw0rd"])
def test_innocent_text_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_phrases_are_found_apart_and_together() -> None:
    for text in ("evil phrase", "EVIL   phrase", "evil-phrase", "evilphrase", "#EvilPhrase", "ev1l phrase"):
        assert [word.replace(" ", "") for word in found(text)] == ["evilphrase"]
    assert found("the phrase is evil") == []


def test_languages_keep_their_words_apart_but_for_the_worst() -> None:
    assert found("a gift for you", "en-GB") == []
    assert found("Gift", "de") == ["gift"]
    assert found("Gift", "") == ["gift"]
    assert found("Gift", "tlh") == ["gift"]
    assert found("worst", "de") == ["worst"]
    assert found("BÖSE", "de") == found("bose", "de") == ["bose"]
    assert found("ты дурак!", "ru") == ["дурак"]
    assert found("дураки", "ru") == []
    assert found("お前は馬鹿だ", "ja") == ["馬鹿"]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("see https://Evil.Example/path?x=1", ["evil.example"]),
        ("hxxps://evil.example", ["evil.example"]),
        ("www.evil.example", ["evil.example"]),
        ("evil.com", ["evil.com"]),
        ("go to evil.com.", ["evil.com"]),
        ("evil[.]com", ["evil.com"]),
        ("evil (dot) com", ["evil.com"]),
        ("evil dot com", ["evil.com"]),
        ("ev\u200bil.com", ["evil.com"]),
        ("ｅｖｉｌ．ｃｏｍ", ["evil.com"]),
        ("a.com/x b.net,c.org", ["a.com", "b.net", "c.org"]),
        ("a.com a.com", ["a.com"]),
        ("hello.world", []),
        ("e.g. this, i.e. that", []),
        ("3.14 and 1.000.000", []),
        ("mail me@evil.com", []),
        ("dot", []),
        ("", []),
    ],
)
def test_links_are_found_and_sentences_are_none(text: str, hosts: list[str]) -> None:
    assert list(domains(text)) == hosts


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("me@mail.example", True),
        ("+49 151 23456789", True),
        ("(030) 1234-5678", True),
        ("0151.2345.6789", True),
        ("2025-01-02", False),
        ("12345678", False),
        ("@alice", False),
        ("10 000 views", False),
    ],
)
def test_contact_data_is_found(text: str, contact: bool) -> None:
    assert has_contact(text) is contact


@given(st.text(max_size=300))
def test_any_text_folds_and_reads_and_is_searched(text: str) -> None:
    words = readings(text)
    assert [spaced(reading) for reading in words] == list(dict.fromkeys(words))
    assert len(set(domains(text))) == len(domains(text))
    assert isinstance(has_contact(text), bool)
    assert LISTS.find([text, "", text], language="") == LISTS.find([text], language="")


@pytest.mark.parametrize("text", ["a" * 2200, "a." * 1100, "((((" * 550, "f u " * 550, "1" * 2200, "dot " * 550, "a@" * 1100])
def test_no_text_takes_long(text: str) -> None:
    def read() -> None:
        domains(text)
        has_contact(text)
        WordLists(BUILT_IN_WORDS).find([text], language="")

    assert cpu_ms(read) < 500


def test_a_policy_file_adds_to_what_is_built_in_or_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    document = {
        "words": {"en": {"block": ["new word"]}, "nl": {"limit": ["rotzak"]}},
        "blocked_domains": ["Evil.Example"],
        "thresholds": {"nudity": {"block": 0.5}},
    }
    path.write_text(json.dumps(document))
    policy = load(str(path), unclassified=VerdictKind.LIMIT)
    assert policy.words["en"][VerdictKind.BLOCK][-1] == "new word"
    assert len(policy.words["en"][VerdictKind.BLOCK]) == len(BUILT_IN_WORDS["en"][VerdictKind.BLOCK]) + 1
    assert policy.words["nl"] == {VerdictKind.LIMIT: ["rotzak"]}
    assert "evil.example" in policy.blocked_domains
    assert "phishing.test" in policy.blocked_domains
    assert policy.thresholds["nudity"].block == 0.5
    assert policy.unclassified is VerdictKind.LIMIT
    path.write_text(json.dumps({**document, "built_in": False}))
    policy = load(str(path), unclassified=VerdictKind.ALLOW)
    assert dict(policy.words) == {"en": {VerdictKind.BLOCK: ["new word"]}, "nl": {VerdictKind.LIMIT: ["rotzak"]}}
    assert policy.blocked_domains == {"evil.example"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"word": {}}',
        '{"words": []}',
        '{"words": {"en": {"forbid": []}}}',
        '{"words": {"en": {"block": [1]}}}',
        '{"words": {"en": {"block": [" "]}}}',
        '{"thresholds": {"x": {"stop": 1}}}',
        '{"thresholds": []}',
    ],
)
def test_a_wrong_policy_file_is_refused_at_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(InvalidPolicy):
        load(str(path), unclassified=VerdictKind.ALLOW)
    with pytest.raises(InvalidPolicy):
        load(str(tmp_path / "absent.json"), unclassified=VerdictKind.ALLOW)
