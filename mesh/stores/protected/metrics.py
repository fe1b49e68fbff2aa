"""What the protection of stores measures."""

from __future__ import annotations

from typing import Final

from mesh.metrics import Kind, Metric

STORES: Final = frozenset({"tables", "blobs", "stream", "redis"})
LANES: Final = frozenset({"read", "write"})

STORE_CALLS = Metric(
    name="store_calls",
    kind=Kind.GAUGE,
    help="Calls that reached a store since the process began.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="Its growth is what the process asks of the store: a multiple without more RPCs is a loop or a lost batch.",
)
STORE_BUSY_MS = Metric(
    name="store_busy_ms",
    kind=Kind.GAUGE,
    help="Milliseconds that these calls took together, without the wait for a place; divided by store_calls it is the mean.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="The mean of writes grows alone: the disk is slow or shared with media work. Of reads too: the machine is out of CPU, or a scan grew.",
)
STORE_FAILED = Metric(
    name="store_failed_total",
    kind=Kind.COUNTER,
    help="Calls that a store did not answer, or not in time.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="The log of the caller names the error. In bursts with long means: the store stalls. All of them: it is away.",
)
STORE_IN_FLIGHT = Metric(
    name="store_in_flight",
    kind=Kind.GAUGE,
    help="Calls to a store that are under way.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="Near its limit for seconds: the store is slower than what is asked of it; see store_busy_ms, then who asks so much.",
)
STORE_BREAKER = Metric(
    name="store_breaker_state",
    kind=Kind.GAUGE,
    help="0 while calls go through, 1 while one call probes the store, 2 while all are refused.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="Above 0: most calls failed or were slow. Mend the store (the log names the last error); the breaker asks again by itself within 3 s.",
)
STORE_BREAKER_AWAY = Metric(
    name="store_breaker_away_seconds",
    kind=Kind.GAUGE,
    help="How long calls have not gone through freely, probes between included; 0 while they do.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="Above 10: the store stays away or slow; `clipmesh status` names it with what to do.",
)
STORE_BREAKER_OPENED = Metric(
    name="store_breaker_opened_total",
    kind=Kind.COUNTER,
    help="How often a breaker opened, failed probes included.",
    labels={"store": STORES, "lane": LANES},
    when_it_moves="Now and then without an outage: the store stalls; compare with store_busy_ms and the machine's disk.",
)
STORE_REFUSED = Metric(
    name="store_refused_total",
    kind=Kind.COUNTER,
    help="Calls that did not reach the store: its breaker was open (open), no place came free (full).",
    labels={"store": STORES, "lane": LANES, "why": frozenset({"open", "full"})},
    when_it_moves="open: see store_breaker_state. full: see store_in_flight.",
)
STORE_SHARED = Metric(
    name="store_shared_reads_total",
    kind=Kind.COUNTER,
    help="Reads that were answered together with equal ones by one read of the store.",
    labels={"store": STORES},
    when_it_moves="A sudden many: everybody asks for the same thing at once. That is what sharing is for; look for the reason if it stays.",
)
