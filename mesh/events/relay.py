"""Carries the outbox of one service to the stream: at least once, in order per key, again when the stream forgot."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from mesh.clock import Clock
from mesh.events.backoff import OUTAGES, Backoff
from mesh.events.metrics import OUTBOX_AGE, OUTBOX_AWAY, OUTBOX_PUBLISHED, OUTBOX_REWOUND
from mesh.events.relay_shard import RelaySettings, ShardRelay
from mesh.events.stream.port import Stream
from mesh.stores.tables.port import Tables, TablesError
from mesh.telemetry import Telemetry

__all__ = ["Relay", "RelaySettings", "RelayStatus"]

_log = logging.getLogger("clipmesh.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStatus:
    """What a relay tells about itself."""

    published: int
    """Entries published in this life, repeats included."""
    oldest_ms: int
    """Age of the oldest entry that is known to wait, in milliseconds; 0 when there is none."""
    held_shards: int
    away: bool
    """True while the stream or the tables cannot be reached."""
    rewound: int
    """How often a shard's stream was found to lack what it had acknowledged."""


class Relay:
    """Relays every shard that no other relay of the service holds.

    `owner` names this process among the service's replicas: a relay that comes back under its name goes on at once and fences off its former
    self. RelayPosition has to be among the row types of `tables`.
    """

    def __init__(
        self,
        *,
        tables: Tables,
        stream: Stream,
        owner: str,
        clock: Clock,
        settings: RelaySettings | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._tables = tables
        self._stream = stream
        self._clock = clock
        self._settings = settings or RelaySettings()
        self._telemetry = telemetry
        self._shards = [
            ShardRelay(shard=shard, tables=tables, stream=stream, owner=owner, clock=clock, settings=self._settings)
            for shard in range(tables.outbox_shards)
        ]
        self._stopping = asyncio.Event()
        self._generation = ""
        self._generation_at_ms = 0
        self._published = 0
        self._rewound = 0
        self._away = False
        if telemetry is not None:
            telemetry.watch(OUTBOX_AGE, lambda: self.status().oldest_ms / 1000)
            telemetry.watch(OUTBOX_AWAY, lambda: float(self._away))

    def status(self) -> RelayStatus:
        """How it goes."""
        waiting = [shard.waiting_since_ms for shard in self._shards if shard.waiting_since_ms]
        return RelayStatus(
            published=self._published,
            oldest_ms=max(0, self._clock.now_ms() - min(waiting)) if waiting else 0,
            held_shards=sum(shard.held for shard in self._shards),
            away=self._away,
            rewound=self._rewound,
        )

    def stop(self) -> None:
        """Let `run` return after the batch in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Relay until `stop` or cancellation; an outage is waited out with growing pauses."""
        backoff = Backoff(first_ms=self._settings.backoff_ms, longest_ms=self._settings.longest_backoff_ms)
        while not self._stopping.is_set():
            try:
                sent = await self.relay_once()
            except Exception as error:
                if not self._away:
                    expected = isinstance(error, OUTAGES)
                    _log.log(
                        logging.WARNING if expected else logging.ERROR,
                        "the relay waits",
                        exc_info=None if expected else error,
                        extra={"error_type": type(error).__name__},
                    )
                self._away = True
                await backoff.pause(unless=self._stopping)
                continue
            self._away = False
            backoff.reset()
            if not sent:
                await self._wait_for_entries()
        with suppress(TablesError):
            for shard in self._shards:
                await shard.let_go()

    async def relay_once(self) -> int:
        """One step of every shard; returns how many entries were published. Raises what the stream or the tables raise."""
        await self._check_generation()
        results = await asyncio.gather(*(shard.step(self._generation) for shard in self._shards), return_exceptions=True)
        sent = sum(result for result in results if isinstance(result, int))
        self._published += sent
        if self._telemetry is not None and sent:
            self._telemetry.count(OUTBOX_PUBLISHED, sent)
        self._tell_of_losses()
        for result in results:
            if isinstance(result, BaseException):
                self._forget()
                raise result
        return sent

    def _tell_of_losses(self) -> None:
        before, self._rewound = self._rewound, sum(shard.rewound for shard in self._shards)
        if self._rewound > before:
            _log.warning("the stream lacks events that it had acknowledged; they go out again", extra={"count": self._rewound - before})
            if self._telemetry is not None:
                self._telemetry.count(OUTBOX_REWOUND, self._rewound - before)

    async def _check_generation(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if self._generation and now_ms - self._generation_at_ms < self._settings.generation_every_ms:
            return
        try:
            generation = await self._stream.generation()
        except Exception:
            self._forget()
            await self._look_what_waits()
            raise
        if self._generation and generation != self._generation:
            _log.warning("the stream lost its contents; everything that is kept goes out again")
        self._generation, self._generation_at_ms = generation, now_ms

    async def _look_what_waits(self) -> None:
        """No shard steps during an outage, and the age of what waits has to grow all the same."""
        with suppress(TablesError):
            await asyncio.gather(*(shard.look() for shard in self._shards))

    def _forget(self) -> None:
        self._generation = ""
        for shard in self._shards:
            shard.forget()

    async def _wait_for_entries(self) -> None:
        waits = [
            asyncio.ensure_future(self._tables.wait_outbox(self._settings.idle_ms / 1000)),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
