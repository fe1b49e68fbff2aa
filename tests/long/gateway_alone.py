"""A gateway as in production, over services that others serve: `python -m tests.long.gateway_alone REDIS FOLDER ADDRESSES`; what the overload test loads.

It prints its port once it serves, then ten times a second how many microseconds of CPU a piece of work took that never changes: how fast the machine is
for it at that moment. It ends at SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time

from graphql import parse

from gateway.app import GatewayApp
from gateway.settings import GatewaySettings
from mesh.app import _loop_factory
from mesh.testing.rpc import process_for

_UNBOUNDED = 1_000_000_000
_NAMED = {"session_cookie_key": b"c" * 32, "blob_url_key": b"u" * 32, "page_token_key": b"p" * 32}

_YARDSTICK = "{ " + "a { b } " * 60 + "}"
_EVERY_S = 0.1


async def tell_speed() -> None:
    """For ever."""
    while True:
        await asyncio.sleep(_EVERY_S)
        began_s = time.thread_time()
        parse(_YARDSTICK)
        print(round((time.thread_time() - began_s) * 1_000_000), flush=True)


async def main(redis: str, folder: str, addresses: dict[str, str]) -> None:
    """Serve until SIGTERM."""
    settings = GatewaySettings(
        secrets="",
        testing=True,
        redis=redis,
        blobs=f"file://{folder}/blobs",
        port=0,
        operation_ms=2_000,
        rate_address_burst=_UNBOUNDED,
        rate_address_per_s=_UNBOUNDED,
        rate_sign_in_burst=_UNBOUNDED,
        rate_sign_in_per_minute=_UNBOUNDED,
    )
    app = GatewayApp(process=process_for("gateway", addresses=addresses, named=_NAMED, settings=settings), settings=settings)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    try:
        await app.start()
        print(app.port, flush=True)
        telling = asyncio.create_task(tell_speed())
        await stopping.wait()
        telling.cancel()
    finally:
        await app.stop()
        await app.process.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
