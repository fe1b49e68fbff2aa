"""A data folder has one owner, and a killed owner's processes are waited for."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from devstack import folder as folder_module
from devstack.folder import FolderInUse, FolderLock
from tests.fixtures.children import child


async def test_a_second_owner_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    await first.take()
    with pytest.raises(FolderInUse, match="another clipmesh"):
        await second.take()
    assert second.lives == -1
    first.release()
    first.release()
    await second.take()
    second.release()


async def test_processes_that_outlive_their_owner_hold_the_folder(tmp_path: Path) -> None:
    owner = FolderLock(tmp_path)
    await owner.take()
    async with child(
        sys.executable, "-c", "import time; time.sleep(60)", pass_fds=(owner.lives,), stdin=asyncio.subprocess.DEVNULL
    ) as alive:
        owner.release()
        waiting = asyncio.create_task(FolderLock(tmp_path).take())
        done, _ = await asyncio.wait({waiting}, timeout=0.5)
        assert not done
        alive.kill()
        await alive.wait()
        await asyncio.wait_for(waiting, 5)


async def test_processes_that_never_end_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "LINGER_S", 0.2)
    owner = FolderLock(tmp_path)
    await owner.take()
    other = os.dup(owner.lives)
    try:
        owner.release()
        with pytest.raises(FolderInUse, match="did not end"):
            await FolderLock(tmp_path).take()
    finally:
        os.close(other)
    later = FolderLock(tmp_path)
    await later.take()
    later.release()
