"""All services and the gateway in one process and one loop: `python -m devstack.single`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

import gateway.app
import gateway.settings
import svc_feed.app
import svc_feed.settings
import svc_rights.app
import svc_rights.settings
import svc_social.app
import svc_social.settings
import svc_sound.app
import svc_sound.settings
import svc_video.app
import svc_video.settings
from devstack.layout import own_variables
from mesh import settings as environment
from mesh.app import REFUSALS, REFUSED, App, ServiceSettings, serve
from mesh.logs import start_logs
from mesh.server import RefusedToStart

APPS: Final[dict[str, tuple[Callable[[Any], App], type[ServiceSettings]]]] = {
    "rights": (svc_rights.app.build, svc_rights.settings.RightsSettings),
    "social": (svc_social.app.build, svc_social.settings.SocialSettings),
    "sound": (svc_sound.app.build, svc_sound.settings.SoundSettings),
    "video": (svc_video.app.build, svc_video.settings.VideoSettings),
    "feed": (svc_feed.app.build, svc_feed.settings.FeedSettings),
    "gateway": (gateway.app.build, gateway.settings.GatewaySettings),
}
"""In the order in which they start; they stop in the reverse."""

_log = logging.getLogger("clipmesh.single")


async def run() -> None:
    """Serve all until SIGTERM; the first that fails ends all."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    stops = {name: asyncio.Event() for name in APPS}
    served: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        for name, (build, settings_type) in APPS.items():
            settings = environment.read(settings_type, {**os.environ, **own_variables(name, tls=bool(os.environ.get("CLIPMESH_TLS_CERT")))})
            try:
                app = build(settings)
            except ValueError as error:
                # Wiring does no I/O: what it refuses is a value of the environment.
                raise RefusedToStart(str(error)) from error
            served[name] = group.create_task(serve(app, stopping=stops[name]), name=name)
        await stopping.wait()
        for name in reversed(APPS):
            stops[name].set()
            await served[name]


def main() -> None:
    """Ends with status 0 after a drain, 1 when a part failed, 2 when a part cannot start as it is set up."""
    start_logs(service="all", development=True)
    try:
        asyncio.run(run())
    except* REFUSALS as refusals:
        for refusal in refusals.exceptions:
            _log.error("%s", refusal, extra=REFUSED)
        sys.exit(2)


if __name__ == "__main__":
    main()
