"""Settings by their variables: those that somebody reads, and those that are set and nobody reads, which mostly are misspelled."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from devstack.layout import SERVICES

_PREFIX: Final = "CLIPMESH_"
_OF_TESTS: Final = ("CLIPMESH_TEST_", "CLIPMESH_REQUIRE_")
_OTHERS: Final = frozenset(
    {
        *("CLIPMESH_S3_KEY", "CLIPMESH_S3_SECRET", "CLIPMESH_FAILPOINTS", "CLIPMESH_FFMPEG", "CLIPMESH_FFPROBE", "CLIPMESH_PACKAGER"),
        *("CLIPMESH_REDIS_SERVER", "CLIPMESH_SERVERS_CACHE", "CLIPMESH_CHROMIUM", "CLIPMESH_WHEELS"),
        *("CLIPMESH_REDIS_PASSWORD", "CLIPMESH_UID", "CLIPMESH_GID"),
    }
)
"""Variables that are no field of any process's settings."""


def known() -> frozenset[str]:
    """Every variable that something reads."""
    # They import every process, which no other command needs.
    from gateway.settings import GatewaySettings  # noqa: PLC0415
    from svc_feed.settings import FeedSettings  # noqa: PLC0415
    from svc_rights.settings import RightsSettings  # noqa: PLC0415
    from svc_social.settings import SocialSettings  # noqa: PLC0415
    from svc_sound.settings import SoundSettings  # noqa: PLC0415
    from svc_video.processing.worker.settings import WorkerSettings  # noqa: PLC0415
    from svc_video.settings import VideoSettings  # noqa: PLC0415

    kinds = (GatewaySettings, FeedSettings, RightsSettings, SocialSettings, SoundSettings, WorkerSettings, VideoSettings)
    fields = {f"{_PREFIX}{field.name.upper()}" for kind in kinds for field in dataclasses.fields(kind)}
    return frozenset(fields | {f"{_PREFIX}{service.upper()}_ADDRESS" for service in SERVICES} | _OTHERS)


def unread(environment: Mapping[str, str]) -> dict[str, str]:
    """Every variable of ours that is set and nobody reads, with the one that it looks like, empty when it is like none."""
    names = known()
    strange = sorted(name for name in environment if name.startswith(_PREFIX) and not name.startswith(_OF_TESTS) and name not in names)
    return {name: next(iter(get_close_matches(name, names, n=1, cutoff=0.85)), "") for name in strange}
