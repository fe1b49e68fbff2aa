"""The whole system in one process behaves as it does in seven."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack.looking import look
from devstack.system import Mode
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage


@pytest.mark.timeout(120)
async def test_a_clip_lives_in_one_process(clip: Path) -> None:
    with socket_folder() as folder:
        stage = Stage.at(folder)
        stage.system.mode = Mode.SINGLE
        await stage.system.start()
        try:
            assert list(stage.system.children) == ["redis", "all", "worker-1"]
            creator, viewer = await stage.person("sven"), await stage.person("vera")
            video = await stage.public(creator, clip, "alone together")
            await stage.in_feed(viewer, video)
            await stage.quiet()
            status = await look(folder)
            assert status.good
            assert [(row.name, row.serves) for row in status.processes] == [("redis", True), ("all", True), ("worker-1", True)]
            assert [number.value for number in status.numbers] == [0, 0, 0, 0, 0]
            pid = stage.system.children["all"].pid
        finally:
            await stage.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
