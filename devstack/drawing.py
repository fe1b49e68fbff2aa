"""Generated clips, drawn in a process of their own: `python -m devstack.drawing FILE SEED WIDTH HEIGHT`."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from devstack.clips import make_clip

_CALM = 3
"""Added to the niceness: what encodes and serves comes first."""


class DrawingFailed(Exception):
    """A clip could not be drawn; the text is the end of what its process said."""


async def draw(file: Path, *, seed: int, width: int, height: int) -> None:
    """Make a clip at `file`, whole or not at all; ends with the task that waits for it. Raises DrawingFailed."""
    partial = file.with_name(f".partial-{file.name}")
    # A session of its own: Ctrl-C in a terminal is meant for whoever drains, not for half a clip.
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(_CALM), sys.executable, "-m", "devstack.leash", str(os.getpid())),
        *(sys.executable, "-m", "devstack.drawing", str(partial), str(seed), str(width), str(height)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            partial.unlink(missing_ok=True)
    if process.returncode != 0:
        raise DrawingFailed(said.decode(errors="replace")[-400:].strip() or f"ended with {process.returncode}")
    partial.rename(file)


if __name__ == "__main__":
    make_clip(Path(sys.argv[1]), seed=int(sys.argv[2]), width=int(sys.argv[3]), height=int(sys.argv[4]))
