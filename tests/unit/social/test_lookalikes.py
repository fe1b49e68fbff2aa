"""Names that look like others, are invisible or change direction."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_social.identity import rules
from svc_social.identity.errors import HandleNotAllowed, InvalidText
from svc_social.identity.lookalikes import mixes_scripts, poses_as_staff, skeleton


@pytest.mark.parametrize(
    "name",
    [
        "pаypal",
        "Αlice",
        "Bоb",
        "жohn",
        "admin",
        "Аdmin",
        "ａｄｍｉｎ",
        "𝐚𝐝𝐦𝐢𝐧",
        "ⓐⓓⓜⓘⓝ",
        "a d m i n",
        "adm1n",
        "Adrnin",
        "ådmîn",
        "Clipmesh",
        "C1ipmesh Support",
        "Clip-Mesh · Official",
        "сlірmеsh",
        "official",
        "OFFICIA1",
        "Moderator",
        "\u3164",
        "\u2800\u2800",
        "Ali\u115fce",
        "Ali\u034fce",
        "\u202eecilA",
        "Ali\u2066ce",
        "Ali\u200bce",
        "Ali\u2060ce",
        "Ali\ufeffce",
        "Ali\u00adce",
        "Ali\x1b[31mce",
        "Ali\x85ce",
        "Ali\u2028ce",
        "Ali\ud800ce",
        "\U000e0041lice",
    ],
)
def test_display_names_that_deceive_are_refused(name: str) -> None:
    with pytest.raises(InvalidText) as failed:
        rules.check_display_name(name)
    assert failed.value.facts == {"field": "display_name"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Alice", "Alice"),
        ("Алиса", "Алиса"),
        ("Ελένη", "Ελένη"),
        ("Алиса Smith", "Алиса Smith"),
        ("東京 Tokyo", "東京 Tokyo"),
        ("Tokyo東京", "Tokyo東京"),
        ("Zoë", "Zoë"),
        ("Ali\u00a0\u2003  ce", "Ali ce"),
        ("Clipmesh fan", "Clipmesh fan"),
        ("System of a Down", "System of a Down"),
        ("Supporter", "Supporter"),
        ("Molly Admins", "Molly Admins"),
        ("❤️ Zoe", "❤️ Zoe"),
    ],
)
def test_names_of_all_scripts_are_kept(name: str, kept: str) -> None:
    assert rules.check_display_name(name) == kept


@pytest.mark.parametrize(
    "handle", ["adm1n", "c1ipmesh", "clip_mesh", "0fficial", "support_", "clipmesh.support", "m0derator", "clipmesh_team", "s_y_s_t_e_m"]
)
def test_handles_that_look_like_staff_are_refused(handle: str) -> None:
    with pytest.raises(HandleNotAllowed):
        rules.check_new_handle(handle)
    assert rules.fold_handle(handle) == handle


@pytest.mark.parametrize("handle", ["alice", "clipmesh_fan", "adminton", "teamwork", "helper", "boss", "chief", "milli0n"])
def test_other_handles_are_not(handle: str) -> None:
    assert rules.check_new_handle(handle) == handle


@given(st.text())
def test_any_text_has_a_skeleton_of_letters_and_digits(text: str) -> None:
    assert skeleton(text).isalnum() or not skeleton(text)
    assert isinstance(mixes_scripts(text), bool)
    assert isinstance(poses_as_staff(text), bool)


@given(st.text(max_size=50))
def test_a_kept_name_is_kept_again_and_hides_nothing(text: str) -> None:
    try:
        name = rules.check_display_name(text)
    except InvalidText:
        return
    assert rules.check_display_name(name) == name
    assert not {unicodedata.category(one) for one in name} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
