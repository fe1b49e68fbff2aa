"""Background work goes on whatever ends it, and says so."""

from __future__ import annotations

import asyncio

import pytest

from mesh.background import kept_going


async def test_work_that_fails_or_ends_begins_again_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    begun: list[int] = []
    steady = asyncio.Event()

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) == 1:
            raise KeyError("a bug")
        if len(begun) == 3:
            steady.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(kept_going(work, name="hear-hints", first_ms=1, longest_ms=2))
    async with asyncio.timeout(5):
        await steady.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert begun == [0, 1, 2]
    assert [(record.getMessage(), record.__dict__["work"]) for record in caplog.records] == [
        ("background work failed and begins again", "hear-hints"),
        ("background work ended and begins again", "hear-hints"),
    ]
