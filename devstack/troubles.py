"""What an operator has to know first: each thing that is not well, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from devstack.layout import SERVICES
from devstack.stores import EMBEDDED

if TYPE_CHECKING:
    from devstack.looking import SystemStatus

OUTBOX_AGE: Final = "age of the oldest event that waits for the stream"
GIVEN_UP: Final = "clips that processing gave up"
"""Numbers of a status that may tell of something to do."""
LATE_OUTBOX_S: Final = 10.0
LATE_GROUP_MS: Final = 60_000
_STORES: Final = {
    "tables": "look at the disk it is on: full, slow or read-only",
    "blobs": "look at the disk or the server it is on; playback goes on from caches, uploads wait",
    "redis": "bring Redis back; everything is slower without it and events wait, nothing is lost",
    "stream": "bring Redis or Kafka back; events wait in the tables, nothing is lost",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not well."""

    what: str
    todo: str


def troubles_of(status: SystemStatus) -> list[Trouble]:
    """The worst first; none when all is well."""
    return [*_processes(status), *_stores(status), *_breakers(status), *_overload(status), *_events(status), *_clips(status), *status.signs]


def _processes(status: SystemStatus) -> Iterator[Trouble]:
    down = [process.name for process in status.processes if not process.alive]
    slow = [process.name for process in status.processes if process.alive and not process.serves]
    if down:
        yield Trouble(_are(down, "down"), f"what dies is started again by itself; run/logs/{_logs(down)} why it ended")
    if slow:
        yield Trouble(_are(slow, "not serving"), f"wait a moment; then run/logs/{_logs(slow)} what it waits for")


def _are(names: Sequence[str], how: str) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {how}"


def _logs(names: Sequence[str]) -> str:
    return f"{names[0]}.log tells" if len(names) == 1 else "NAME.log tells"


def _stores(status: SystemStatus) -> Iterator[Trouble]:
    down = {store.name for store in status.stores if store.down_for}
    if "redis" in down and status.keepers.get("events", EMBEDDED) == EMBEDDED:
        down.discard("stream")  # it is the same Redis
    for store in status.stores:
        if store.name in down:
            todo = f"run/logs/{store.name}.log tells why" if store.name in SERVICES else _STORES.get(store.name, "bring it back")
            yield Trouble(f"{store.name} is down for {', '.join(store.down_for)}", todo)


def _breakers(status: SystemStatus) -> Iterator[Trouble]:
    for breaker in status.breakers:
        if not breaker.closed:
            what = f"{breaker.process} makes no {breaker.lane}s on {breaker.store}, {breaker.away_s:.0f} s now, {breaker.refused} calls refused"
            mend = _STORES.get(breaker.store, "mend it")
            yield Trouble(what, f"{mend}; run/logs/{breaker.process}.log names the last error, and it is asked again by itself every 3 s")


def _overload(status: SystemStatus) -> Iterator[Trouble]:
    for one in status.overload:
        if one.service:
            todo = f"{one.service} has more to do than CPU, or waits for a store: give it processes, or mend the store"
            yield Trouble(f"{one.process} sends {one.share:.0%} of its calls to {one.service}", todo)
        else:
            yield Trouble(f"{one.waiting} calls wait in {one.process}", "if it stays: a store is slow, or it needs more processes")


def _events(status: SystemStatus) -> Iterator[Trouble]:
    for number in status.numbers:
        if number.what == OUTBOX_AGE and number.value > LATE_OUTBOX_S:
            yield Trouble(f"events wait {number.value:.0f} s for the stream", _STORES["stream"])
    for group in status.groups:
        if group.oldest_ms > LATE_GROUP_MS:
            what = f"{group.group} is {group.oldest_ms / 1000:.0f} s behind, {group.waiting} events"
            yield Trouble(what, f"run/logs/{group.group.partition('.')[0]}.log tells whether an event fails; else it is too slow")
    if letters := sum(letter.count for letter in status.letters):
        yield Trouble(
            f"{letters} effects are missing", "clipmesh dead-letters lists them; mend the cause, then: clipmesh dead-letters replay"
        )


def _clips(status: SystemStatus) -> Iterator[Trouble]:
    for number in status.numbers:
        if number.what == GIVEN_UP and number.value > 0:
            yield Trouble(
                f"{number.value:.0f} clips were given up",
                "clipmesh jobs lists them; mend the cause within 7 days, then: clipmesh jobs redo",
            )
