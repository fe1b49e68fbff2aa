"""A setting that nobody reads is told of, and none that somebody does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from devstack import doctor
from devstack.variables import known, unread

ROOT = Path(__file__).parents[3]
ROOMS = ("mesh", "gateway", "devstack", "svc_video", "svc_feed", "svc_social", "svc_sound", "svc_rights")


def test_a_misspelled_setting_is_told_of_with_what_was_meant() -> None:
    environment = {
        "CLIPMESH_REDSI": "redis://h",
        "CLIPMESH_JOBS": "2",
        "CLIPMESH_TEST_S3": "s3://h/b",
        "CLIPMESH_OF_MY_OWN": "1",
        "HOME": "/",
    }
    assert unread(environment) == {"CLIPMESH_OF_MY_OWN": "", "CLIPMESH_REDSI": "CLIPMESH_REDIS"}


def test_the_doctor_says_so_and_calls_nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPMESH_UPLOAD_PARTBYTES", "5")
    (finding,) = [finding for finding in doctor.findings() if finding.name == "settings"]
    assert (finding.ok, finding.needed) == (False, False)
    assert finding.detail == "nobody reads CLIPMESH_UPLOAD_PARTBYTES (like CLIPMESH_UPLOAD_PART_BYTES)"


def test_every_variable_that_is_spelled_out_in_the_code_is_known() -> None:
    spelled = {
        part.value
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for part in ast.walk(ast.parse(path.read_text()))
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and re.fullmatch(r"CLIPMESH_[A-Z0-9_]*[A-Z0-9]", part.value)
    }
    assert len(spelled) > 20
    assert {name for name in spelled - known() if not name.startswith(("CLIPMESH_TEST", "CLIPMESH_REQUIRE"))} == set()
