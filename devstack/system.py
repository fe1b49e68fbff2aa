"""The whole system as one object: starts every process in order, watches them, drains them in reverse."""

from __future__ import annotations

import asyncio
import enum
import errno
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from devstack import logs
from devstack.certs import CertsRefused, make_certs
from devstack.children import Child, Program
from devstack.doors import Doors, loopback_addresses
from devstack.folder import FolderInUse, FolderLock
from devstack.health import gateway_serves, service_serves, short_folder, until
from devstack.keys import BrokenKeys, make_keys
from devstack.layout import Layout, identity_of
from devstack.stores import told
from mesh.stores.redis_server import NoRedisServer, redis_binary, redis_command
from mesh.tls import InvalidTls

READY_S = 30.0
"""How long a process may take to serve, in seconds."""
SERVERS_READY_S = 600.0
"""The same where stores are servers: the first start makes a hundred tables there one after the other, and a busy server takes seconds for each."""
RENEW_EVERY_S = 3_600.0
"""Pause between two looks whether certificates need to be renewed, in seconds."""
_HOPELESS_ENDS = 3
"""A process that ended so often before it served will not serve."""
_REFUSED_TO_START = 2
"""Return code of a process whose settings are wrong."""
_ALL = "all"
"""The one child of Mode.SINGLE."""


class Mode(enum.StrEnum):
    """Who runs the processes."""

    PROCESSES = "processes"
    """Children of this process, one for each service."""
    SINGLE = "single"
    """One child for all services and the gateway, besides Redis and workers: quicker and smaller, for tests that kill nobody."""
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
    first_lives: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    """Process -> variables on top of its environment, for one life each."""
    killed: list[str] = field(default_factory=list)
    """Processes that did not end in time when the system stopped."""
    _exit: ExitStack = field(default_factory=ExitStack)
    _doors: Doors | None = None
    _lock: FolderLock | None = None
    _log_starts: dict[str, int] = field(default_factory=dict)

    async def __aenter__(self) -> System:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and return when all of it serves. Raises StartRefused, and then nothing runs."""
        if self.mode is Mode.EXTERNAL:
            if not await gateway_serves(self.layout.origin):
                raise StartRefused(f"no gateway answers at {self.layout.origin}")
            return
        if not self.layout.folder.exists():
            # Nobody runs in it who could have the port: what cannot be is refused before anything is made.
            self._check_port()
        try:
            self.layout.prepare()
        except OSError as error:
            raise StartRefused(f"{self.layout.folder} cannot be used ({error.strerror}); choose another with --folder") from error
        try:
            await self._take_folder()
            self._check_port()
            short = self._exit.enter_context(short_folder(self.layout.folder))
            try:
                make_keys(self.layout.run / "secrets")
                if self.layout.tls:
                    make_certs(self.layout.certs)
                    self.layout = replace(self.layout, addresses=loopback_addresses(self.layout.served))
                self._doors = Doors.of(short, addresses=self.layout.addresses, processes=self.layout.served)
            except (BrokenKeys, CertsRefused, InvalidTls) as error:
                raise StartRefused(str(error)) from error
            await self._start_children()
        except BaseException:
            await self.stop()
            raise

    async def _take_folder(self) -> None:
        lock = FolderLock(self.layout.run)
        try:
            await lock.take()
        except FolderInUse as error:
            raise StartRefused(f"{self.layout.folder} is in use: {error}; stop it or choose another --folder") from error
        self._lock = lock

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.layout.port))
            except OSError as error:
                why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
                raise StartRefused(f"port {self.layout.port} {why}; choose another with --port") from error

    def _program(self, name: str, *arguments: str, nice: int = 0) -> Program:
        return Program(
            name=name,
            arguments=arguments,
            environment=self.layout.environment(name),
            folder=self.layout.folder,
            log=self.layout.log(name),
            nice=nice,
            held=(self._lock.lives,) if self._lock is not None else (),
        )

    def _programs(self) -> list[Program]:
        python = sys.executable
        redis = [self._redis()] if self.layout.own_redis else []
        workers = [self._worker(number) for number in range(1, self.workers + 1)]
        if self.mode is Mode.SINGLE:
            return [*redis, self._program(_ALL, python, "-m", "devstack.single"), *workers]
        services = [self._program(name, python, "-m", f"svc_{identity_of(name)}") for name in self.layout.served]
        return [*redis, *services, *workers, self._program("gateway", python, "-m", "gateway")]

    def _worker(self, number: int) -> Program:
        program = self._program(f"worker-{number}", sys.executable, "-m", "svc_video", "worker", nice=5)
        if self.workers == 1:
            return program
        # Each alone would take all cores.
        share = {"CLIPMESH_JOBS": str(max(1, len(os.sched_getaffinity(0)) // self.workers))}
        return replace(program, environment={**share, **program.environment})

    def _redis(self) -> Program:
        try:
            # Relative paths, because that of a unix socket has at most 107 bytes and a data folder may be deep.
            command = redis_command(binary=redis_binary(), folder="redis", socket="../run/redis.sock")
        except NoRedisServer as error:
            raise StartRefused(f"{error}; `clipmesh doctor` says what else is missing") from error
        return self._program("redis", *command)

    async def _start_children(self) -> None:
        for program in self._programs():
            self._log_starts[program.name] = logs.size(program.log)
            child = self.children[program.name] = Child(program, next_lives=list(self.first_lives.get(program.name, ())))
            await child.start()
            self._write_state()
        waits = [asyncio.create_task(self.ready(name)) for name in self._serving]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def ready(self, name: str) -> None:
        """Wait until a process serves. Raises StartRefused: in one line when the process says itself why it does not start, else with the end
        of its log."""
        child = self._child_of(name)
        before = len(child.ends)

        def hopeless() -> bool:
            # A process that was killed may do better in its next life, one that ended by itself says so every time.
            ends = [code for code in child.ends[before:] if code >= 0]
            return len(ends) >= _HOPELESS_ENDS or _REFUSED_TO_START in ends

        async def served_or_hopeless() -> bool:
            return hopeless() or await self._serves(name)

        timeout_s = SERVERS_READY_S if self.layout.stores else READY_S
        if not await until(served_or_hopeless, timeout_s=timeout_s) or hopeless():
            log = child.program.log
            since = self._log_starts[child.program.name]
            if _REFUSED_TO_START in child.ends[before:] and (why := logs.refusal(log, since)):
                raise StartRefused(f"{child.program.name} refuses to start: {why}")
            how = f"ended with status {child.ends[-1]}" if hopeless() else f"did not get ready within {timeout_s:.0f} s"
            raise StartRefused(f"{name} {how}; see {log}\n{logs.tail(log, since)}")

    @property
    def _serving(self) -> tuple[str, ...]:
        return (*self.layout.served, "gateway")

    def _child_of(self, name: str) -> Child:
        return self.children[_ALL if self.mode is Mode.SINGLE and name in self._serving else name]

    async def _serves(self, name: str) -> bool:
        if not self._child_of(name).pid:
            return False
        if name == "gateway":
            return await gateway_serves(self.layout.origin)
        if name in self.layout.served and self._doors is not None:
            return await service_serves(self._doors, name)
        return True

    async def restart(self, name: str) -> None:
        """Drain one process and start it again; returns when it serves."""
        await self.children[name].restart()
        await self.ready(name)

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "origin": self.layout.origin,
            "addresses": dict(self.layout.addresses),
            "stores": told(self.layout.stores),
            "processes": {name: {"pid": child.pid, "restarts": child.restarts} for name, child in self.children.items()},
        }
        partial = self.layout.run / "state.json.partial"
        partial.write_text(json.dumps(state, indent=1))
        partial.rename(self.layout.run / "state.json")

    async def watch(self) -> None:
        """Keep `run/state.json` true and certificates young until cancelled."""
        renew_at = asyncio.get_running_loop().time() + RENEW_EVERY_S
        while True:
            self._write_state()
            if self.layout.tls and asyncio.get_running_loop().time() >= renew_at:
                renew_at += RENEW_EVERY_S
                try:
                    await asyncio.to_thread(make_certs, self.layout.certs)
                except (CertsRefused, OSError) as error:
                    print(f"clipmesh: certificates were not renewed: {error}", file=sys.stderr)
            await asyncio.sleep(1.0)

    def _drain_order(self) -> list[list[str]]:
        """Callers before those they call; what calls nobody of its stage stops beside it."""
        workers = [name for name in self.children if name.startswith("worker")]
        feed, video, sound, social, rights = ([*self.layout.instances_of(name)] for name in ("feed", "video", "sound", "social", "rights"))
        return [["gateway"], [*feed, *workers], video, sound, social, rights, [_ALL], ["redis"]]

    async def stop(self) -> None:
        """Drain: the edge first, then workers, then services from left to right, Redis last; safe to repeat."""
        for stage in self._drain_order():
            children = [self.children[name] for name in stage if name in self.children]
            gently = await asyncio.gather(*(child.stop() for child in children))
            self.killed += [child.program.name for child, gentle in zip(children, gently, strict=True) if not gentle]
        self.children.clear()
        if self._lock is not None:
            (self.layout.run / "state.json").unlink(missing_ok=True)
            self._lock.release()
            self._lock = None
        self._exit.close()
