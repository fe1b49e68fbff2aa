"""What every end-to-end test starts from; one that fails shows what the processes complained about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.engines import EMBEDDED, Engines
from tests.e2e.stage import tell_what_processes_say
from tests.fixtures.clips import clip, ladder_clip

__all__ = ["clip", "ladder_clip"]


@pytest.fixture
def engines() -> Engines:
    """What keeps the things of a test's system; the tests on servers put theirs in its place."""
    return EMBEDDED


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the complaints of every process to a failed test."""
    outcome: Any = yield
    tell_what_processes_say(item, outcome.get_result())
