"""What gRPC itself does for a client: balances over healthy backends and retries, within a budget, what may be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from google.protobuf import descriptor_pb2, descriptor_pool

RETRY_POLICY: Mapping[str, object] = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
RETRY_BUDGET: Mapping[str, object] = {"maxTokens": 10, "tokenRatio": 0.1}
"""A failure costs one token, a success earns a tenth; below half of them nothing is retried."""

_READS = ("Get", "List", "BatchGet")
_REPEATABLE = {descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS, descriptor_pb2.MethodOptions.IDEMPOTENT}


def service_config(repeatable: Sequence[tuple[str, str]]) -> str:
    """The gRPC service config: balance over healthy backends, retry the (service, method) pairs in `repeatable` within the budget."""
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
    if repeatable:
        config["methodConfig"] = [
            {"name": [{"service": service, "method": method} for service, method in repeatable], "retryPolicy": RETRY_POLICY}
        ]
        config["retryThrottling"] = RETRY_BUDGET
    return json.dumps(config)


def is_repeatable(service: str, method: str) -> bool:
    """True when the proto's idempotency_level says so, or the name is a read's."""
    try:
        descriptor = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    except KeyError:
        return method.startswith(_READS)
    return descriptor.GetOptions().idempotency_level in _REPEATABLE or method.startswith(_READS)
