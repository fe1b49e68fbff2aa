"""What every end-to-end test starts from; one that fails shows what the processes complained about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.clips import make_clip
from tests.e2e.stage import Stage


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with one rendition, as small as clips may be."""
    file = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(file, seed=3, duration_s=15.5, width=126, height=224, fps=24)
    return file


@pytest.fixture(scope="session")
def ladder_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with two groups of renditions in two chunks each."""
    file = tmp_path_factory.mktemp("clips") / "ladder.mp4"
    make_clip(file, seed=4, duration_s=20.0, width=252, height=448, fps=24)
    return file


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the complaints of every process to a failed test."""
    outcome: Any = yield
    report = outcome.get_result()
    stages = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Stage)]
    if report.failed and stages:
        for stage in stages:
            report.sections.append(("what the processes say", stage.complaints()))
