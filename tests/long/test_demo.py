"""`clipmesh demo --exit` as a person runs it: with our clips, with files of every kind that people have, and once more over what is there."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from devstack.clips import BROKEN_KINDS, PLAYABLE_KINDS, make_variants
from devstack.ports import free_port
from mesh.testing.folders import socket_folder
from tests.fixtures.children import child

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

FIRST_PLAYABLE_S = 60.0


async def demo(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and summary."""
    command = (sys.executable, "-m", "devstack", "demo", "--exit", "--json", "--folder", str(folder), "--port", str(free_port()))
    async with child(*command, *arguments, stdout=asyncio.subprocess.PIPE) as process:
        output, _ = await process.communicate()
        return process.returncode or 0, json.loads(output)


async def test_our_own_clips_come_through_and_a_second_run_finds_them_there() -> None:
    with socket_folder() as folder:
        status, summary = await demo(folder)
        assert [check for check in summary["checks"] if not check["ok"]] == []
        assert (status, summary["published"], summary["refused"], summary["watches"]) == (0, 8, {}, 12)
        assert summary["first_playable_s"] < FIRST_PLAYABLE_S

        status, again = await demo(folder)
        assert (status, again["published"], again["refused"]) == (0, 8, {})
        assert again["took_s"] < summary["took_s"]


async def test_files_of_every_kind_play_or_are_refused_by_name(tmp_path: Path) -> None:
    made = await asyncio.to_thread(make_variants, tmp_path)
    refusals = {made[kind].name: reason for kind, reason in BROKEN_KINDS.items() if kind != "empty"}
    with socket_folder() as folder:
        status, summary = await demo(folder, "--videos", str(tmp_path))
        assert {label: refused["code"] for label, refused in summary["refused"].items()} == {
            **refusals,
            made["empty"].name: "INVALID_REQUEST",
        }
        assert summary["published"] == len(PLAYABLE_KINDS)
        assert [check for check in summary["checks"] if not check["ok"]] == []
        assert status == 0
