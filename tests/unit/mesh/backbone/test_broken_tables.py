"""A process whose tables take no writes any more says so and ends; its keeper starts another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mesh.app import Dependency, EndedItself, Process, ServiceSettings, serve
from mesh.backbone import Backbone
from mesh.events.rows import EventAttempt
from mesh.server import ServedService
from mesh.stores.tables.port import OutcomeUnknown, TablesUnavailable
from mesh.testing.rpc import process_for
from tests.fixtures.tables import break_commits


@dataclass
class App:
    """A process with tables; nobody is at its Redis."""

    process: Process
    folder: Path
    services: Sequence[ServedService] = ()
    dependencies: Mapping[str, Dependency] = field(default_factory=dict)
    backbone: Backbone | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.backbone = await Backbone.open(
            self.process, tables=f"sqlite:///{self.folder}", redis=f"unix://{self.folder}/nobody.sock", events="", row_types=()
        )
        self.started.set()

    async def stop(self) -> None:
        if self.backbone is not None:
            await self.backbone.close()


async def test_a_failed_commit_is_seen_by_the_health_check_and_ends_the_process(tmp_path: Path) -> None:
    app = App(process=process_for("video", settings=ServiceSettings(secrets="", testing=True, drain_wait_ms=0)), folder=tmp_path)
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve(app, stopping=stopping))
    async with asyncio.timeout(15):
        await app.started.wait()
        assert app.backbone is not None
        check = app.backbone.dependencies["tables"]
        await check.check()
        assert check.required
        break_commits(app.backbone.tables)
        with pytest.raises(OutcomeUnknown):
            await app.backbone.tables.put(EventAttempt(consumer="c", topic="t", partition=0, version=1))
        with pytest.raises(TablesUnavailable, match="until the process starts again"):
            await check.check()
        with pytest.raises(EndedItself, match="a commit to the tables failed"):
            await serving
    assert not stopping.is_set()
    again = App(process=process_for("video"), folder=tmp_path)
    await again.start()
    assert again.backbone is not None
    assert not again.backbone.tables.broken.is_set()
    await again.stop()
