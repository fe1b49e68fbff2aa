"""Tools and sample files, made once for all tests of this folder."""

from pathlib import Path

import pytest

from devstack.clips import make_variants
from svc_video.processing.media import MediaTools, locate_tools
from tests.unit.media.film import make_film


@pytest.fixture(scope="session")
def tools() -> MediaTools:
    return locate_tools()


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_variants(tmp_path_factory.mktemp("variants"))


@pytest.fixture(scope="session")
def numbered(tools: MediaTools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """31 s at 30 pictures a second: three chunks."""
    return make_film(tools, tmp_path_factory.mktemp("film") / "numbered.mp4", seconds=31, flashes_s=(3.0, 9.97, 12.5, 21.3))


@pytest.fixture(scope="session")
def laddered(tools: MediaTools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20.5 s in 640x360: two chunks, two renditions."""
    return make_film(tools, tmp_path_factory.mktemp("film") / "laddered.mp4", seconds=20.5, size=(640, 360), flashes_s=(3.0, 15.0))
