"""Metrics as a typed list: what each counts, which label values it may have, and what to do when it moves."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Kind(enum.Enum):
    """How a metric's values add up."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


METHODS: Final = frozenset({"<every served or called RPC method>"})
"""Allow-list of a label that names an RPC method: it is filled with the methods that are served and called."""

GROUPS: Final = frozenset({"<every consumer group of the process>"})
TOPICS: Final = frozenset({"<every topic that the process consumes>"})
"""As METHODS: filled with what the process runs, which no user chooses."""

CODES: Final = frozenset(code.name for code in grpc.StatusCode)
PRIORITIES: Final = frozenset({"playback", "write", "feed", "search", "analytics"})

SERVICES = frozenset({"video", "feed", "social", "sound", "rights"})
"""Whom a process may call."""

OTHER = "other"
"""What a label value becomes that is not on its list: text of users can never become a label."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of a process; equal names have to be equal metrics."""

    name: str
    """Prometheus name without the `clipmesh_` in front; a counter ends in _total, a duration in _seconds."""
    kind: Kind
    help: str
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Label -> values it may take."""
    when_it_moves: str
    """What an operator does when it moves."""
    buckets: tuple[float, ...] = SECONDS
    """Upper bounds of a histogram."""


SERVER_CALLS = Metric(
    name="rpc_server_calls_total",
    kind=Kind.COUNTER,
    help="Calls answered, by method and status code.",
    labels={"method": METHODS, "code": CODES},
    when_it_moves="INTERNAL: find the error id in the logs. UNAVAILABLE: look at dependency_up. RESOURCE_EXHAUSTED: look at limiter_in_flight.",
)
SERVER_SECONDS = Metric(
    name="rpc_server_seconds",
    kind=Kind.HISTOGRAM,
    help="How long calls took, waiting included.",
    labels={"method": METHODS},
    when_it_moves="Compare with the stores' and dependencies' timings: this process waits for one of them, or limiter_waiting is not 0.",
)
CLIENT_CALLS = Metric(
    name="rpc_client_calls_total",
    kind=Kind.COUNTER,
    help="Outward calls, by method and status code, HELD_BACK when they were not sent; a call is one however many attempts it took.",
    labels={"method": METHODS, "code": CODES | {"HELD_BACK"}},
    when_it_moves="UNAVAILABLE or DEADLINE_EXCEEDED: the called service is down or slow; its own metrics tell why. HELD_BACK: see rpc_client_share.",
)
CLIENT_EXTRA = Metric(
    name="rpc_client_extra_attempts_total",
    kind=Kind.COUNTER,
    help="Attempts beyond the first: retries after UNAVAILABLE and hedges of slow reads, made or refused by the budget of the called service.",
    labels={
        "service": SERVICES,
        "kind": frozenset({"retry", "hedge"}),
        "outcome": frozenset({"made", "refused"}),
    },
    when_it_moves="retry: the service was unavailable for moments. hedge above a tenth of the calls: an instance is slow. refused: most calls fail.",
)
CLIENT_SHARE = Metric(
    name="rpc_client_share",
    kind=Kind.GAUGE,
    help="What is sent to a service of what this process wants of it; below 1 while answers are refused or late, the most urgent calls first.",
    labels={"service": SERVICES},
    when_it_moves="Below 1 for minutes: the service has more work than CPU, or waits for a store; add processes, or look at what it waits for.",
)
CLIENT_SECONDS = Metric(
    name="rpc_client_seconds",
    kind=Kind.HISTOGRAM,
    help="How long outward calls took.",
    labels={"method": METHODS},
    when_it_moves="Larger than the called service's rpc_server_seconds: connection or event loop trouble on this side.",
)
LIMITER_IN_FLIGHT = Metric(
    name="limiter_in_flight",
    kind=Kind.GAUGE,
    help="Calls that are being worked on.",
    when_it_moves="At the limit: a dependency is slow, or the process needs siblings; raise CLIPMESH_CONCURRENCY_LIMIT only when CPU and stores are idle.",
)
LIMITER_LIMIT = Metric(
    name="limiter_limit",
    kind=Kind.GAUGE,
    help="How many calls may be worked on at once.",
    when_it_moves="It stands as CLIPMESH_CONCURRENCY_LIMIT says; compare limiter_in_flight with it.",
)
LIMITER_WAITING = Metric(
    name="limiter_waiting",
    kind=Kind.GAUGE,
    help="Calls that wait for a place.",
    when_it_moves="Above 0 for minutes: as for limiter_in_flight.",
)
LIMITER_REFUSED = Metric(
    name="limiter_refused_total",
    kind=Kind.COUNTER,
    help="Calls that were not begun: no place left (overloaded), out of time (expired), or half of it waited away (stale).",
    labels={"priority": PRIORITIES, "why": frozenset({"overloaded", "expired", "stale"})},
    when_it_moves="Refusals of playback or write: add processes. Of analytics alone: the order of priorities does its work.",
)
DEPENDENCY_UP = Metric(
    name="dependency_up",
    kind=Kind.GAUGE,
    help="1 when the last check of a dependency class passed, else 0.",
    labels={
        "dependency": frozenset(
            {"tables", "blobs", "redis", "stream", "search", "vectors", "graph", "video", "feed", "social", "sound", "rights"}
        )
    },
    when_it_moves="0: `clipmesh status` names the store or service; its log says more.",
)

METRICS: Final = (
    SERVER_CALLS,
    SERVER_SECONDS,
    CLIENT_CALLS,
    CLIENT_SECONDS,
    CLIENT_EXTRA,
    CLIENT_SHARE,
    LIMITER_IN_FLIGHT,
    LIMITER_LIMIT,
    LIMITER_WAITING,
    LIMITER_REFUSED,
    DEPENDENCY_UP,
)
"""What every process of the mesh counts; services and stores declare their own beside the code that moves them."""


class Metrics:
    """The values of one process, kept in a registry of its own."""

    def __init__(self, *, service: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=False)
        self._service = service
        self._declared: dict[str, Metric] = {}
        self._collectors: dict[str, Counter | Gauge | Histogram] = {}
        self._children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        self._known: dict[frozenset[str], set[str]] = {METHODS: set(), GROUPS: set(), TOPICS: set()}

    def know_methods(self, methods: Iterable[str]) -> None:
        """Add RPC methods to the allow-list of METHODS labels."""
        self.know(METHODS, methods)

    def know(self, allowed: frozenset[str], values: Iterable[str]) -> None:
        """Add what the process runs to one of the allow-lists METHODS, GROUPS, TOPICS."""
        self._known[allowed].update(values)

    def add(self, metric: Metric, amount: float, labels: Mapping[str, str]) -> None:
        """Count `amount` more."""
        self._child(metric, labels).inc(amount)  # type: ignore[union-attr]

    def set(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Let the gauge stand at `value`."""
        self._child(metric, labels).set(value)  # type: ignore[union-attr]

    def observe(self, metric: Metric, value: float, labels: Mapping[str, str]) -> None:
        """Put one value into the histogram."""
        self._child(metric, labels).observe(value)  # type: ignore[union-attr]

    def watch(self, metric: Metric, read: Callable[[], float], labels: Mapping[str, str]) -> None:
        """Let the gauge show what `read` answers whenever it is asked."""
        self._child(metric, labels).set_function(read)  # type: ignore[union-attr]

    def clear(self, metric: Metric, labels: Mapping[str, str]) -> None:
        """Show nothing for these labels until they are set again; safe to repeat."""
        if self._children.pop((metric.name, *labels.values()), None) is not None:
            self._collector(metric).remove(self._service, *(labels[label] for label in metric.labels))

    def value(self, metric: Metric, labels: Mapping[str, str]) -> float:
        """What a counter or gauge stands at, 0 when it never moved; a histogram answers how many values it took."""
        suffix = "_count" if metric.kind is Kind.HISTOGRAM else ""
        found = self.registry.get_sample_value(f"clipmesh_{metric.name}{suffix}", {"service": self._service, **labels})
        return found or 0.0

    def _child(self, metric: Metric, labels: Mapping[str, str]) -> Counter | Gauge | Histogram:
        key = (metric.name, *labels.values())
        child = self._children.get(key)
        if child is None:
            if labels.keys() != metric.labels.keys():
                raise ValueError(f"metric {metric.name} has labels {sorted(metric.labels)}, not {sorted(labels)}")
            values = [self._allowed(metric.labels[label], labels[label]) for label in metric.labels]
            child = self._collector(metric).labels(self._service, *values)
            if OTHER not in values and list(labels) == list(metric.labels):
                self._children[key] = child
        return child

    def _allowed(self, allowed: frozenset[str], value: str) -> str:
        if value in self._known.get(allowed, allowed):
            return value
        return OTHER

    def _collector(self, metric: Metric) -> Counter | Gauge | Histogram:
        known = self._declared.setdefault(metric.name, metric)
        if known is not metric and known != metric:
            raise ValueError(f"metric {metric.name} is declared twice and differently")
        collector = self._collectors.get(metric.name)
        if collector is None:
            name, labels = f"clipmesh_{metric.name}", ("service", *metric.labels)
            if metric.kind is Kind.HISTOGRAM:
                collector = Histogram(name, metric.help, labels, buckets=metric.buckets, registry=self.registry)
            else:
                collector = (Counter if metric.kind is Kind.COUNTER else Gauge)(name, metric.help, labels, registry=self.registry)
            self._collectors[metric.name] = collector
        return collector
