"""A process that has other work too starts without its store of objects, and finds it later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from mesh import backbone as backbone_module
from mesh.app import Ending
from mesh.backbone import Backbone
from mesh.blobs_at_start import BlobsAtStart
from mesh.clock import SystemClock
from mesh.settings import InvalidSetting
from mesh.store_settings import StoreSettings
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import Blobs, BlobsAway, Upkeep
from mesh.testing.redis_server import RedisServer
from mesh.testing.rpc import process_for


class Store(FileBlobs):
    """Answers the first looks as it is told, and later ones with success."""

    def __init__(self, folder: Path, answers: Sequence[InvalidSetting]) -> None:
        super().__init__(folder, clock=SystemClock(), url_key=b"")
        self._answers = list(answers)
        self.looks = 0
        self.found = asyncio.Event()

    async def prepare(self, upkeep: Upkeep | None = None) -> None:
        self.looks += 1
        if self._answers:
            raise self._answers.pop(0)
        self.found.set()


AWAY = BlobsAway("CLIPMESH_BLOBS=s3://store/clips: nothing usable answers")
WRONG = InvalidSetting("CLIPMESH_BLOBS=s3://store/clips: the store does not take these keys")


async def test_a_store_that_is_away_is_a_warning_and_is_found_when_it_comes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, ending = Store(tmp_path, [AWAY] * 3), Ending()
    look = BlobsAtStart(store, ending=ending, first_ms=1, longest_ms=2)
    with caplog.at_level(logging.WARNING, "clipmesh.blobs"):
        await look.start()
    assert [(record.levelname, str(AWAY) in record.getMessage()) for record in caplog.records] == [("WARNING", True)]
    async with asyncio.timeout(5):
        await store.found.wait()
    await look.close()
    assert (store.looks, ending.asked.is_set()) == (4, False)
    await store.close()


async def test_what_is_set_up_wrong_is_refused_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path, [WRONG])
    look = BlobsAtStart(store, ending=Ending(), first_ms=1, longest_ms=2)
    with pytest.raises(InvalidSetting, match="these keys"):
        await look.start()
    await look.close()
    assert store.looks == 1
    await store.close()


async def test_a_store_that_comes_and_refuses_ends_the_process(tmp_path: Path) -> None:
    store, ending = Store(tmp_path, [AWAY, AWAY, WRONG]), Ending()
    look = BlobsAtStart(store, ending=ending, first_ms=1, longest_ms=2)
    await look.start()
    async with asyncio.timeout(5):
        await ending.asked.wait()
    await look.close()
    assert (ending.reason, store.looks) == (str(WRONG), 3)
    await store.close()


async def test_nobody_looks_any_more_after_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path, [AWAY] * 2)
    look = BlobsAtStart(store, ending=Ending(), first_ms=60_000, longest_ms=60_000)
    await look.start()
    await look.close()
    await look.close()
    assert (store.looks, store.found.is_set()) == (1, False)
    await store.close()


async def test_a_service_that_only_archives_starts_without_its_store(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "blobs", [AWAY])

    def opened(url: str, *, clock: object, url_key: bytes) -> Blobs:
        return cast("Blobs", store)

    monkeypatch.setattr(backbone_module, "open_blobs", opened)
    process = process_for("rights", named={"archive_key": b"a" * 32})
    settings = StoreSettings(tables=f"sqlite:///{tmp_path}/tables", redis=redis_server.url, blobs="s3://store/clips", secrets="")
    backbone = await Backbone.open(process, tables=settings.tables, redis=settings.redis, events="", row_types=())
    try:
        await backbone.archive(settings, topics=("rights",))
        assert set(backbone.dependencies) == {"tables", "redis", "stream", "blobs"}
        await backbone.dependencies["blobs"].check()
        assert (store.looks, store.found.is_set()) == (1, False)
        async with asyncio.timeout(5):
            await store.found.wait()
        assert not process.ending.asked.is_set()
    finally:
        await backbone.close()
    assert store.looks == 2
