"""Child processes: started, watched, restarted with backoff, drained; none outlives its keeper."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mesh.background import first_of

FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 5.0
STEADY_S = 10.0
"""A child that lived this long starts again as if it had never failed."""


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
    held: tuple[int, ...] = ()
    """Descriptors that the program keeps open as long as it lives."""


@dataclass(slots=True)
class Child:
    """One program that is kept running until `stop`."""

    program: Program
    ends: list[int] = field(default_factory=list)
    """Return codes of the lives that ended unasked, the latest last; a signal is its negative number."""
    next_lives: list[Mapping[str, str]] = field(default_factory=list)
    """Variables on top of the environment, for one life each, the next one first."""
    process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _renew: asyncio.Event = field(default_factory=asyncio.Event)
    _may_run: asyncio.Event = field(default_factory=asyncio.Event)
    _started: asyncio.Event = field(default_factory=asyncio.Event)
    _gentle: bool = True

    @property
    def pid(self) -> int:
        """The process id now, 0 while it is not running."""
        return self.process.pid if self.process is not None and self.process.returncode is None else 0

    @property
    def restarts(self) -> int:
        """How often it ended unasked and was started again."""
        return len(self.ends)

    async def start(self) -> None:
        """Start the program and keep it running. Raises OSError when it cannot even be started."""
        self._may_run.set()
        keeper = self._keeper = asyncio.create_task(self._keep(), name=f"keep-{self.program.name}")
        started = asyncio.create_task(self._started.wait())
        await asyncio.wait({keeper, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if keeper.done():
            await keeper

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.program.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "devstack.leash", str(os.getpid()), *self.program.arguments]
        if self.program.nice:
            command = ["nice", "-n", str(self.program.nice), *command]
        environment = {**self.program.environment, **(self.next_lives.pop(0) if self.next_lives else {})}
        descriptor = os.open(self.program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self.program.folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=self.program.held,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    async def _keep(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._stop.is_set():
            began = time.monotonic()
            self._renew.clear()
            process = self.process = await self._spawn()
            self._started.set()
            await first_of(process.wait(), self._stop.wait(), self._renew.wait())
            if self._stop.is_set() or self._renew.is_set():
                self._gentle = await self._drain(process)
                await first_of(self._may_run.wait(), self._stop.wait())
                continue
            if process.returncode is not None:
                self.ends.append(process.returncode)
            if time.monotonic() - began > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            await first_of(asyncio.sleep(backoff_s), self._stop.wait())
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _drain(self, process: asyncio.subprocess.Process) -> bool:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.program.drain_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return False
        return True

    def kill(self) -> None:
        """End the process now, as a power cut would; it is restarted."""
        if self.pid and self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()

    async def restart(self) -> None:
        """Drain the process and start it again; returns when the new one runs."""
        self._started.clear()
        self._renew.set()
        await self._started.wait()

    async def pause(self, *, gently: bool = True) -> None:
        """Drain the process, or end it as a power cut would, and let it stay away until `resume`."""
        self._may_run.clear()
        self._renew.set()
        if not gently:
            self.kill()
        if self.process is not None:
            await self.process.wait()

    def resume(self) -> None:
        """Start it again."""
        self._started.clear()
        self._may_run.set()

    async def stop(self) -> bool:
        """Drain: SIGTERM, then SIGKILL after `drain_s`; True when it ended by itself. Safe to repeat."""
        self._stop.set()
        if self._keeper is not None:
            await asyncio.gather(asyncio.shield(self._keeper), return_exceptions=True)
        return self._gentle
