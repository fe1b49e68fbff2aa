"""One upload from its first byte to its 720p on the system's own engines and on servers, which the CLIPMESH_* settings of stores name."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack

from bench import plain, sources
from bench.outcome import Outcome, Side, Skipped, ratio
from bench.plan import Plan
from bench.running import Moments, running, upload_once
from bench.sources import Source
from bench.turns import Run, Turn, in_turns
from devstack.engines import Engines, chosen
from devstack.system import System
from svc_video.processing.media import MediaTools, locate_tools

SERVERS, OURS = "servers", "embedded"


async def run(plan: Plan) -> Outcome:
    """Both systems serve all the time, and take turns with the same clip. Raises Skipped without servers."""
    if not all(os.environ.get(name) for name in ("CLIPMESH_TABLES", "CLIPMESH_BLOBS", "CLIPMESH_EVENTS", "CLIPMESH_REDIS")):
        raise Skipped(
            "CLIPMESH_TABLES, _BLOBS, _EVENTS and _REDIS have to name servers: `clipmesh servers` starts some and prints the settings"
        )
    stores = {SERVERS: chosen(Engines.DISTRIBUTED, os.environ), OURS: chosen(Engines.EMBEDDED, os.environ)}
    tools = await asyncio.to_thread(locate_tools)
    width, height, seconds = plan.size((720, 1280, 20.0), (144, 256, 15.0))
    clip = await plan.size(sources.generated, sources.pattern)(tools, plan.folder, seconds=seconds, width=width, height=height)
    moments: dict[str, list[Moments]] = {side: [] for side in stores}
    async with AsyncExitStack() as stack:
        systems = {side: await stack.enter_async_context(running(plan, side, stores=urls)) for side, urls in stores.items()}
        sides = {side: _turn(system, tools, clip, plan, moments[side]) for side, system in systems.items()}
        trial = await in_turns("first rendition complete", sides, repetitions=plan.size(5, 1))
    answered, playable, whole = (
        [Side(name=side, unit="s", samples=tuple(getattr(one, name) for one in moments[side])) for side in stores]
        for name in ("acknowledged_s", "playable_s", "whole_s")
    )
    return Outcome(
        figures=[
            ratio("last byte to acknowledged", *answered),
            ratio("last byte to playing for its owner", *playable),
            ratio("last byte to the whole first rendition", *whole),
        ],
        trials=[trial],
        sources=[clip.described, tools.version],
        notes=["One worker each. What is uploaded stays in the servers' stores, as with `clipmesh up --engines distributed`."],
    )


def _turn(system: System, tools: MediaTools, clip: Source, plan: Plan, moments: list[Moments]) -> Turn:
    async def turn() -> Run:
        seen = await upload_once(system, clip.path, tools, who=f"olga_{secrets.token_hex(5)}")
        moments.append(seen)
        whole = plan.folder / "whole.mp4"
        await asyncio.to_thread(whole.write_bytes, seen.whole_bytes)
        size, pictures = await plain.shape(tools, whole)
        return Run(wall_s=seen.whole_s, cpu_s=0.0, work=f"{pictures} pictures of {size}")

    return turn
