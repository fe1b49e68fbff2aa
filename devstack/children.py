"""Child processes: started, watched, restarted with backoff, drained in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 5.0
STEADY_S = 10.0
"""A child that lived this long starts again without waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    drain_s: float = 15.0
    """How long the program may take to finish after SIGTERM, in seconds; then it is killed."""
    nice: int = 0
    """Added to the scheduling niceness; media workers yield to what people wait for."""


@dataclass(slots=True)
class Child:
    """One program that is kept running until `stop`."""

    program: Program
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = None
    _stopping: bool = False
    _started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        """The process id now, 0 while it is not running."""
        return self.process.pid if self.process is not None and self.process.returncode is None else 0

    async def start(self) -> None:
        """Start the program and keep it running."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.program.name}")
        await self._started.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.program.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "devstack.leash", str(os.getpid()), *self.program.arguments]
        if self.program.nice:
            command = ["nice", "-n", str(self.program.nice), *command]
        descriptor = os.open(self.program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self.program.folder,
                env=dict(self.program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    async def _keep(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping:
            began = time.monotonic()
            self.process = await self._spawn()
            self._started.set()
            await self.process.wait()
            if self._stopping:
                return
            backoff_s = FIRST_BACKOFF_S if time.monotonic() - began > STEADY_S else min(backoff_s * 2, LONGEST_BACKOFF_S)
            self.restarts += 1
            await asyncio.sleep(backoff_s)

    def kill(self) -> None:
        """End the process now, as a power cut would; it is restarted."""
        if self.pid:
            self.process.kill()  # type: ignore[union-attr]

    async def stop(self) -> bool:
        """Drain: SIGTERM, then SIGKILL after `drain_s`; True when it ended by itself."""
        self._stopping = True
        gentle = True
        if self.pid and self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), self.program.drain_s)
            except TimeoutError:
                gentle = False
                self.process.kill()
                await self.process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        return gentle
