"""Who holds calls back, and whom from: breakers of stores that fail, callers of services that have too much to do, calls that wait for a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Samples: TypeAlias = dict[str, list[tuple[dict[str, str], float]]]
"""A metrics page by metric, each sample with its labels."""

_STATES = ("closed", "probing", "open")
_ALL_IS_SENT = 0.995


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """One process's breaker of a store's reads or writes."""

    process: str
    store: str
    lane: str
    """read or write."""
    state: str
    """closed: calls go through; probing: one call finds out; open: none is made."""
    away_s: float
    """How long calls have not gone through freely, in seconds."""
    refused: int
    """Calls that it refused since the process began."""

    @property
    def closed(self) -> bool:
        """True while calls go through."""
        return self.state == _STATES[0]


@dataclass(frozen=True, slots=True)
class Overload:
    """One process that has more calls than can be made or taken."""

    process: str
    service: str
    """Whom it holds calls back from; empty when calls wait in the process itself."""
    share: float
    """What it sends of what it wants to send, 0 to 1."""
    waiting: int
    """Calls that wait for a place in it."""


def breakers_of(samples: Mapping[str, Samples]) -> list[BreakerStatus]:
    """Every breaker of every process that tells, by process, store and lane."""
    found = []
    for process, page in samples.items():
        away = _by_lane(page, "clipmesh_store_breaker_away_seconds")
        refused = {
            (labels["store"], labels["lane"]): value
            for labels, value in page.get("clipmesh_store_refused_total", ())
            if labels.get("why") == "open"
        }
        for lane, state in _by_lane(page, "clipmesh_store_breaker_state").items():
            found.append(BreakerStatus(process, *lane, _STATES[int(state)], away.get(lane, 0.0), int(refused.get(lane, 0))))
    return sorted(found, key=lambda breaker: (breaker.process, breaker.store, breaker.lane))


def overload_of(samples: Mapping[str, Samples]) -> list[Overload]:
    """Every process that holds calls back, or in which calls wait; none when all is well."""
    found = []
    for process, page in samples.items():
        for labels, share in page.get("clipmesh_rpc_client_share", ()):
            if share < _ALL_IS_SENT:
                found.append(Overload(process, labels["service"], share, 0))
        if waiting := sum(value for _, value in page.get("clipmesh_limiter_waiting", ())):
            found.append(Overload(process, "", 1.0, int(waiting)))
    return sorted(found, key=lambda one: (one.process, one.service))


def _by_lane(page: Samples, metric: str) -> dict[tuple[str, str], float]:
    return {(labels["store"], labels["lane"]): value for labels, value in page.get(metric, ())}
