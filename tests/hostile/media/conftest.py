"""The tools of this machine, looked up once."""

import pytest

from devstack.clips.maker import media_tools
from svc_video.processing.media import MediaTools


@pytest.fixture(scope="session")
def tools() -> MediaTools:
    return media_tools()
