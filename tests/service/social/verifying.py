"""A process that does nothing but believe tokens or not: it is told tokens on its input, checks all that live again and again, and says what became
of them."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mesh.clock import OffsetClock
from mesh.errors import Unavailable
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from mesh.tokens import AccessTokenVerifier, InvalidAccessToken


async def main(redis_url: str, clock_file: str) -> None:
    """Until the input ends."""
    clock, redis = OffsetClock(Path(clock_file)), open_redis(redis_url)
    verifier = AccessTokenVerifier(clock=clock)
    living: dict[str, int] = {}
    told = {"verified": 0, "unconfirmed": 0}
    refused: dict[str, str] = {}

    async def check(token: str) -> None:
        try:
            claims = await verifier.verify(token)
        except (InvalidAccessToken, Unavailable) as error:
            # It may have ended since it was chosen.
            if living.get(token, 0) > clock.now_ms():
                refused.setdefault(token, f"{type(error).__name__}: {error}")
            return
        told["verified"] += 1
        told["unconfirmed"] += claims.unconfirmed

    async def check_all() -> None:
        while True:
            for token, until_ms in list(living.items()):
                if until_ms <= clock.now_ms():
                    del living[token]
            await asyncio.gather(*(check(token) for token in living if token not in refused))
            await asyncio.sleep(0.002)

    async def hear() -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            asked: dict[str, Any] = json.loads(line)
            living.update({token: until_ms for token, until_ms in asked.get("living", {}).items() if token not in refused})
            answer = {**told, "silent_ms": verifier.silent_ms, "refused": refused}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()

    listening = asyncio.create_task(verifier.run(open_stream("", redis=redis)))
    checking = asyncio.create_task(check_all())
    try:
        await hear()
    finally:
        for task in (listening, checking):
            task.cancel()
        await asyncio.gather(listening, checking, return_exceptions=True)
        await redis.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
