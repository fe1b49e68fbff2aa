"""What the edge counts, and what to do when it moves."""

from __future__ import annotations

from typing import Final

from gateway.errors import CODES, NAMED, OF_DOCUMENTS
from gateway.wire.peers import REASONS
from mesh.metrics import PRIORITIES
from mesh.telemetry import Kind, Metric

REFUSED: Final = "refused"
"""Kind of an operation that was not begun."""

OPERATIONS: Final = Metric(
    name="gateway_operations_total",
    kind=Kind.COUNTER,
    help="Queries and mutations, by the code of their first error; refused ones were not begun.",
    labels={
        "kind": frozenset({"query", "mutation", REFUSED}),
        "code": frozenset({"OK", "INTERNAL", "QUERY_TOO_COSTLY", *CODES.values(), *NAMED.values(), *OF_DOCUMENTS}),
    },
    when_it_moves="INTERNAL: find the request id in the logs. UNAVAILABLE or TIMEOUT: rpc_client_calls_total names the service. "
    "Refused with QUERY_TOO_COSTLY or RATE_LIMITED: somebody asks too much, or a page of ours grew beyond CLIPMESH_GRAPHQL_COST. "
    "PERSISTED_QUERY_NOT_FOUND: once a document and day; for long, Redis is away. DOCUMENT_NOT_ALLOWED: a client is newer than the list.",
)
OPERATION_SECONDS: Final = Metric(
    name="gateway_operation_seconds",
    kind=Kind.HISTOGRAM,
    help="How long queries and mutations ran, their calls included.",
    labels={"kind": frozenset({"query", "mutation"})},
    when_it_moves="Compare with rpc_client_seconds: what is not spent in calls is CPU of this process; add gateways.",
)
CONNECTIONS: Final = Metric(
    name="gateway_connections",
    kind=Kind.GAUGE,
    help="Sockets and event streams that are open.",
    when_it_moves="Near CLIPMESH_SOCKETS: further ones are told to come again; add gateways.",
)
PEERS: Final = Metric(
    name="gateway_peers",
    kind=Kind.GAUGE,
    help="TCP connections that are open, idle ones too.",
    when_it_moves="Near CLIPMESH_CONNECTIONS: further ones are refused; add gateways.",
)
PEERS_CUT: Final = Metric(
    name="gateway_peers_cut_total",
    kind=Kind.COUNTER,
    help="Connections that were refused or ended for how they behaved, by why.",
    labels={"why": REASONS},
    when_it_moves="address: one network floods, or CLIPMESH_CONNECTIONS_PER_ADDRESS is too low for a proxy that is not named in "
    "CLIPMESH_PROXY_NETWORKS. head_unclear: somebody tries to smuggle requests. The others: slow or broken clients, alone harmless.",
)
COUNTING_ALONE: Final = Metric(
    name="gateway_rates_local",
    kind=Kind.GAUGE,
    help="1 while rate limits are counted by this process alone.",
    when_it_moves="1: Redis is away or slow; each gateway then allows the whole limit.",
)
DOCUMENT_HITS: Final = Metric(
    name="gateway_document_hit_ratio",
    kind=Kind.GAUGE,
    help="Share of operations whose document was known already.",
    when_it_moves="Low: clients write values into their documents instead of variables, or CLIPMESH_GRAPHQL_CACHE_CHARACTERS is too small.",
)
COMPILED: Final = Metric(
    name="gateway_compiled_ratio",
    kind=Kind.GAUGE,
    help="Share of queries that ran as compiled plans; graphql-core ran the others.",
    when_it_moves="Low: clients ask introspection, or vary one document by many conditions; queries then cost about twice the CPU.",
)
TURNED_AWAY: Final = Metric(
    name="gateway_turned_away_total",
    kind=Kind.COUNTER,
    help="Requests that were not begun because the event loop came late with its work, by how urgent they are.",
    labels={"priority": PRIORITIES},
    when_it_moves="Add gateways. Of playback: at once, sign-in and video are hit too.",
)
LOOP_LATE: Final = Metric(
    name="gateway_loop_late_seconds",
    kind=Kind.GAUGE,
    help="How late the event loop comes to what is ready, smoothed and cut at 20 ms.",
    when_it_moves="Above 0.01 for minutes: requests are turned away once 16 run; add gateways, or find what holds the loop (loop_blocked_ms).",
)
NO_ANSWER: Final = "none"
"""Of a request whose client left before its answer began."""
_DOORS: Final = frozenset({"sign-in", "tus", "upload"})
DOOR_ANSWERS: Final = Metric(
    name="gateway_door_answers_total",
    kind=Kind.COUNTER,
    help="Answers of sign-in (OAuth) and of the doors for uploads, by the first digit of their status; none: the client left before.",
    labels={"door": _DOORS, "status": frozenset({"2xx", "3xx", "4xx", "5xx", NO_ANSWER})},
    when_it_moves="5xx of sign-in: social is away or slow (rpc_client_calls_total). 5xx of tus or upload: look at dependency_up of blobs. More 4xx of "
    "sign-in: somebody guesses passwords, or a client handles tokens wrongly. none of tus and upload: lines that break.",
)
DOOR_SECONDS: Final = Metric(
    name="gateway_door_seconds",
    kind=Kind.HISTOGRAM,
    help="How long requests to these doors took, the time in which their bodies came included.",
    labels={"door": _DOORS},
    when_it_moves="sign-in above 1: social has more passwords to check than CPU. Uploads take as long as lines are slow.",
)
