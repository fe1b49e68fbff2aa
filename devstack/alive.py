"""`python -m devstack.alive NAME`: ends with 0 when the process of this container serves, with 1 when not; for whoever restarts containers.

NAME is a service, `gateway` or `worker`; everything else is read from the environment of the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

import httpx

from devstack.doors import Doors
from devstack.health import CHECK_S, gateway_serves, service_serves
from devstack.layout import SERVICES
from mesh import settings as environment
from mesh.service_settings import ServiceSettings
from mesh.settings import InvalidSetting
from mesh.tls import Tls

NAMES = (*SERVICES, "gateway", "worker")


async def serves(name: str, variables: Mapping[str, str]) -> bool:
    """True when the process of that name serves. A worker serves nobody: it is alive while it tells its metrics. Raises InvalidSetting."""
    if name == "gateway":
        scheme = "https" if variables.get("CLIPMESH_HTTPS_CERT") else "http"
        return await gateway_serves(f"{scheme}://127.0.0.1:{variables.get('CLIPMESH_PORT', '8080')}")
    settings = environment.read(ServiceSettings, variables)
    if name == "worker":
        return await _tells(settings.metrics)
    # The process's own certificate: a machine that runs one service has no other, and whether it can be shown is part of the question.
    doors = Doors(addresses={name: _from_inside(settings.listen)}, tls=Tls.of(settings, service=name))
    return await service_serves(doors, name)


def _from_inside(address: str) -> str:
    """Where a process can be reached from its own machine, of where it listens."""
    return address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


async def _tells(metrics: str) -> bool:
    async with httpx.AsyncClient(timeout=CHECK_S) as client:
        try:
            answer = await client.get(f"http://{_from_inside(metrics)}/metrics")
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK


def main() -> int:
    """The exit status."""
    if len(sys.argv) != 2 or sys.argv[1] not in NAMES:
        print(f"python -m devstack.alive NAME, one of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    try:
        return 0 if asyncio.run(serves(sys.argv[1], os.environ)) else 1
    except InvalidSetting as error:
        print(f"clipmesh: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
