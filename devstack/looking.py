"""What is known of a running system: its processes, stores, consumer groups, dead letters and queues."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub
from prometheus_client.parser import text_string_to_metric_families

from devstack.doors import Doors
from devstack.health import gateway_serves, metrics_of, service_serves, short_folder
from devstack.jobs import dead_videos
from devstack.layout import SERVICES, serving
from devstack.operating import NothingRuns, Operating, operator_channels
from devstack.refusals import BreakerStatus, Overload, Samples, breakers_of, overload_of
from devstack.signs import signs_of
from devstack.stores import EMBEDDED
from devstack.streams import GroupLag, waiting
from devstack.troubles import GIVEN_UP, OUTBOX_AGE, Trouble
from mesh.client import RpcFailed
from mesh.events.stream.port import StreamUnavailable
from mesh.stores.redis import RedisUnavailable


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process."""

    name: str
    pid: int
    alive: bool
    serves: bool
    restarts: int
    memory_mib: int
    """Its own share of physical memory."""
    without: tuple[str, ...] = ()
    """What it needs and does not reach."""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """One store or service that processes need."""

    name: str
    up_for: tuple[str, ...]
    """Processes that reach it."""
    down_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LetterCount:
    """Dead letters of one kind."""

    group: str
    topic: str
    type: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Number:
    """One line of what waits."""

    value: float
    """-1 when nobody answers who knows."""
    unit: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """One running system."""

    origin: str
    processes: Sequence[ProcessStatus]
    stores: Sequence[StoreStatus]
    groups: Sequence[GroupLag]
    letters: Sequence[LetterCount]
    numbers: Sequence[Number]
    keepers: Mapping[str, str] = field(default_factory=dict)
    """What keeps each store: `embedded`, or the URL of a server without its password."""
    breakers: Sequence[BreakerStatus] = ()
    """Of every process that tells."""
    overload: Sequence[Overload] = ()
    """Nothing where every call is made and taken at once."""
    signs: Sequence[Trouble] = ()
    """What is wrong though everything serves."""

    @property
    def good(self) -> bool:
        """True when everything serves, reaches what it needs and is not refused by it."""
        serves = all(process.serves for process in self.processes)
        return serves and not any(store.down_for for store in self.stores) and all(breaker.closed for breaker in self.breakers)


async def look(folder: Path) -> SystemStatus:
    """The system that runs in `folder`. Raises FileNotFoundError when none does."""
    state = json.loads(await asyncio.to_thread((folder / "run" / "state.json").read_text))
    processes, keepers = state["processes"], state.get("stores", {})
    names = [name for name in processes if name != "all"] + ([*SERVICES, "gateway"] if "all" in processes else [])
    with short_folder(folder) as short:
        pages = await asyncio.gather(*(_samples(short / "run" / f"{name}.metrics.sock") for name in names))
        samples = dict(zip(names, pages, strict=True))
        doors = Doors.of(short, addresses=state.get("addresses", {}), processes=serving(processes))
        asked = (_process(name, facts, doors, state["origin"], samples.get(name, {})) for name, facts in processes.items())
        rows = await asyncio.gather(*asked)
        # The system's own stream answers by itself, whatever its processes do; how to ask another one only they know.
        groups = await (_groups(short / "run" / "redis.sock") if _own_stream(keepers) else _told_groups(folder))
    letters, given_up = await asyncio.gather(_letters(folder), _given_up(folder))
    numbers = numbers_of(samples, groups, letters, given_up)
    stores, breakers, overload = stores_of(samples), breakers_of(samples), overload_of(samples)
    signs = [*signs_of(samples)]
    return SystemStatus(state["origin"], rows, stores, groups or (), letters or (), numbers, keepers, breakers, overload, signs)


def stores_of(samples: Mapping[str, Samples]) -> list[StoreStatus]:
    """Stores by name, each with the processes that reach it or do not."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for process, page in samples.items():
        for labels, value in page.get("clipmesh_dependency_up", ()):
            up, down = found.setdefault(labels["dependency"], ([], []))
            (up if value else down).append(process)
    return [StoreStatus(name, tuple(sorted(up)), tuple(sorted(down))) for name, (up, down) in sorted(found.items())]


def numbers_of(
    samples: Mapping[str, Samples], groups: Sequence[GroupLag] | None, letters: Sequence[LetterCount] | None, given_up: int | None
) -> list[Number]:
    """What waits or was given up, in one number each; None for what nobody told."""
    jobs: Counter[str] = Counter()
    for page in samples.values():
        for labels, value in page.get("clipmesh_video_jobs_open", ()):
            jobs[labels["kind"]] += int(value)
    ages = [value for page in samples.values() for _, value in page.get("clipmesh_outbox_age_seconds", ())]
    unheard = "" if groups is not None else "the stream does not answer"
    untold = "" if letters is not None else "a service does not answer"
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(jobs.items()) if count)
    return [
        Number(max(ages, default=0), " s", OUTBOX_AGE),
        Number(-1 if groups is None else sum(group.waiting for group in groups), "", "events that wait for consumers", unheard),
        Number(-1 if letters is None else sum(letter.count for letter in letters), "", "dead letters", untold),
        Number(sum(jobs.values()), "", "media jobs that wait for a worker", kinds),
        Number(-1 if given_up is None else given_up, "", GIVEN_UP, "" if given_up is not None else "video does not answer"),
    ]


def counted(letters: Sequence[Any]) -> list[LetterCount]:
    """Dead letters of one kind as one line, the most first."""
    kinds = Counter((letter.group, letter.topic, letter.type, letter.reason) for letter in letters)
    return [LetterCount(*kind, count=count) for kind, count in kinds.most_common()]


async def _groups(socket: Path) -> list[GroupLag] | None:
    try:
        return await waiting(socket)
    except (StreamUnavailable, RedisUnavailable):
        return None


def _own_stream(keepers: Mapping[str, str]) -> bool:
    return keepers.get("events", EMBEDDED) == EMBEDDED


async def _told_groups(folder: Path) -> list[GroupLag] | None:
    """None when a service does not tell, or the stream does not answer it."""
    found: list[GroupLag] = []
    try:
        async with operator_channels(folder) as channels:
            for service in SERVICES:
                for group in await Operating(channels, service).groups():
                    if group.waiting < 0:
                        return None
                    found.append(GroupLag(group.group, tuple(sorted(group.topics)), group.waiting, group.oldest_ms))
    except (RpcFailed, NothingRuns, ValueError):
        return None
    return sorted(found, key=lambda lag: lag.group)


async def _letters(folder: Path) -> list[LetterCount] | None:
    """None when a service does not tell."""
    found: list[Any] = []
    try:
        async with operator_channels(folder) as channels:
            for service in SERVICES:
                operating = Operating(channels, service)
                for group in await operating.groups():
                    found += await operating.letters(group.group) if group.dead_letters else ()
    except (RpcFailed, NothingRuns, ValueError):
        return None
    return counted(found)


async def _given_up(folder: Path) -> int | None:
    """How many clips processing gave up; None when video does not tell."""
    try:
        async with operator_channels(folder) as channels:
            return len(await dead_videos(channels.stub(JobServiceStub, "video")))
    except (RpcFailed, NothingRuns, ValueError):
        return None


async def _samples(socket: Path) -> Samples:
    """Samples of a metrics page by metric, each with its labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(await metrics_of(socket)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def _process(name: str, facts: dict[str, Any], doors: Doors, origin: str, samples: Samples) -> ProcessStatus:
    pid = facts["pid"]
    alive = _alive(pid)
    if name in doors.addresses:
        serves = alive and await service_serves(doors, name)
    elif name == "gateway":
        serves = alive and await gateway_serves(origin)
    else:
        serves = alive
    without = tuple(sorted(labels["dependency"] for labels, value in samples.get("clipmesh_dependency_up", ()) if not value))
    return ProcessStatus(name, pid, alive, serves, facts["restarts"], await asyncio.to_thread(memory_mib, pid), without)


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def memory_mib(pid: int) -> int:
    """Proportional share of physical memory, or the resident set where the kernel tells no share; 0 when there is no such process."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
