"""The whole system as one object: starts every process in order, watches them, drains them in reverse."""

from __future__ import annotations

import asyncio
import enum
import fcntl
import json
import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from devstack.children import Child, Program
from devstack.health import gateway_serves, service_serves, short_folder, until
from devstack.keys import make_keys
from devstack.layout import SERVICES, Layout
from mesh.testing.redis_server import redis_binary

READY_S = 30.0


class Mode(enum.StrEnum):
    """Who runs the processes."""

    PROCESSES = "processes"
    """Children of this process."""
    EXTERNAL = "external"
    """Somebody else; this process only talks to the gateway."""


class StartRefused(Exception):
    """The system cannot start; the text says why and what to do."""


@dataclass(slots=True)
class System:
    """One running Clipmesh."""

    layout: Layout
    mode: Mode = Mode.PROCESSES
    workers: int = 1
    children: dict[str, Child] = field(default_factory=dict)
    _exit: ExitStack = field(default_factory=ExitStack)
    _short: Path = Path()
    _lock: IO[str] | None = None

    async def __aenter__(self) -> System:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and return when the gateway serves. Raises StartRefused."""
        if self.mode is Mode.EXTERNAL:
            if not await gateway_serves(self.layout.origin):
                raise StartRefused(f"no gateway answers at {self.layout.origin}")
            return
        self.layout.prepare()
        self._take_folder()
        try:
            self._check_port()
            self._short = self._exit.enter_context(short_folder(self.layout.folder))
            make_keys(self.layout.run / "secrets")
            await self._start_children()
        except BaseException:
            await self.stop()
            raise

    def _take_folder(self) -> None:
        lock = (self.layout.run / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StartRefused(f"{self.layout.folder} is in use by another clipmesh; stop it or choose another --folder") from None
        self._lock = lock

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.layout.port))
            except OSError as error:
                raise StartRefused(f"port {self.layout.port} is taken ({error.strerror}); choose another with --port") from None

    def _program(self, name: str, *arguments: str, nice: int = 0, drain_s: float = 15.0) -> Program:
        return Program(
            name=name,
            arguments=arguments,
            environment=self.layout.environment(name),
            folder=self.layout.folder,
            log=self.layout.log(name),
            nice=nice,
            drain_s=drain_s,
        )

    def _programs(self) -> list[Program]:
        python = sys.executable
        redis = self._program(
            "redis",
            str(redis_binary()),
            *("--port", "0", "--unixsocket", "../run/redis.sock", "--unixsocketperm", "700", "--dir", "redis"),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"),
        )
        services = [self._program(name, python, "-m", f"svc_{name}") for name in SERVICES]
        workers = [
            self._program(f"worker-{number}", python, "-m", "svc_video", "worker", nice=5, drain_s=10.0)
            for number in range(1, self.workers + 1)
        ]
        gateway = self._program("gateway", python, "-m", "gateway")
        return [redis, *services, *workers, gateway]

    async def _start_children(self) -> None:
        for program in self._programs():
            child = Child(program)
            self.children[program.name] = child
            await child.start()
            self._write_state()
        waits = [self._ready(name) for name in (*SERVICES, "gateway")]
        ready = await asyncio.gather(*waits)
        late = [name for name, yes in zip((*SERVICES, "gateway"), ready, strict=True) if not yes]
        if late:
            raise StartRefused(
                f"{', '.join(late)} did not get ready within {READY_S:.0f} s; see {self.layout.log(late[0])}:\n{self._tail(late[0])}"
            )

    async def _ready(self, name: str) -> bool:
        if name == "gateway":
            return await until(lambda: gateway_serves(self.layout.origin), timeout_s=READY_S)
        return await until(lambda: service_serves(self._short / "run" / f"{name}.sock"), timeout_s=READY_S)

    def _tail(self, name: str) -> str:
        log = self.layout.log(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "origin": self.layout.origin,
            "processes": {name: {"pid": child.pid, "restarts": child.restarts} for name, child in self.children.items()},
        }
        partial = self.layout.run / "state.json.partial"
        partial.write_text(json.dumps(state, indent=1))
        partial.rename(self.layout.run / "state.json")

    async def watch(self) -> None:
        """Keep `run/state.json` true until cancelled."""
        while True:
            self._write_state()
            await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """Drain: the edge first, then workers, then services from left to right, Redis last; safe to repeat."""
        order = ["gateway", *[name for name in self.children if name.startswith("worker")], *reversed(SERVICES), "redis"]
        for name in order:
            child = self.children.pop(name, None)
            if child is not None:
                await child.stop()
        (self.layout.run / "state.json").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._exit.close()
