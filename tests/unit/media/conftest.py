"""Tools and sample files, made once for all tests of this folder."""

from pathlib import Path

import pytest

from devstack.clips import make_variants
from svc_video.processing.media import MediaTools, locate_tools
from tests.unit.media.film import make_film


class Variants(dict[str, Path]):
    """Each kind of file is made when the first test asks for it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, kind: str) -> Path:
        self |= make_variants(self._folder, only=frozenset({kind}))
        return self[kind]


@pytest.fixture(scope="session")
def tools() -> MediaTools:
    return locate_tools()


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return Variants(tmp_path_factory.mktemp("variants"))


@pytest.fixture(scope="session")
def numbered(tools: MediaTools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """31 s at 30 pictures a second: three chunks."""
    return make_film(tools, tmp_path_factory.mktemp("film") / "numbered.mp4", seconds=31, flashes_s=(3.0, 9.97, 12.5, 21.3))


@pytest.fixture(scope="session")
def laddered(tools: MediaTools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20.5 s in 640x360: two chunks, two renditions."""
    return make_film(tools, tmp_path_factory.mktemp("film") / "laddered.mp4", seconds=20.5, size=(640, 360), flashes_s=(3.0, 15.0))
