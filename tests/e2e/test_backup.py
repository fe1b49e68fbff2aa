"""A copy of the folder that was made while nothing ran is the whole system, wherever it lies: docs/operations.md, Back up and restore."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from devstack.looking import look
from devstack.troubles import troubles_of
from mesh.testing.folders import socket_folder
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

NAMED = "query($handle: String!) { user(handle: $handle) { displayName } }"


async def test_a_copy_starts_elsewhere_and_lacks_nothing(clip: Path) -> None:
    with socket_folder() as folder, socket_folder() as elsewhere:
        stage = Stage.at(folder)
        await stage.system.start()
        try:
            creator, viewer = await stage.person("ada"), await stage.person("paul")
            video = await stage.public(creator, clip, "worth keeping")
            edge = await stage.in_feed(viewer, video)
            bytes_before = (await viewer.fetch(edge["node"]["playback"]["mp4Url"])).content
            await stage.quiet()
        finally:
            await stage.close()
        copy = elsewhere / "copy"
        subprocess.run(["cp", "-a", str(folder), str(copy)], check=True)
        shutil.rmtree(folder / "tables")
        restored = Stage.at(copy)
        await restored.system.start()
        try:
            viewer = await restored.person("paul")
            edge = await restored.in_feed(viewer, video)
            assert edge["node"]["creator"]["handle"] == "ada"
            assert (await viewer.query(NAMED, handle="ada"))["user"]["displayName"] == "Ada"
            assert (await viewer.fetch(edge["node"]["playback"]["mp4Url"])).content == bytes_before
            another = await restored.public(await restored.person("ada"), clip, "made after")
            assert {edge["node"]["id"] for edge in [await restored.in_feed(viewer, another)]} == {another}
            await restored.quiet()
            status = await look(copy)
            assert status.good
            assert troubles_of(status) == []
        finally:
            await restored.close()
