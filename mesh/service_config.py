"""What gRPC itself does for a client: balances over healthy backends, and leaves out for a while whoever fails nearly every call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool

OUTLIERS: Final[Mapping[str, object]] = {
    "interval": "0.5s",
    "baseEjectionTime": "10s",
    "maxEjectionTime": "60s",
    "maxEjectionPercent": 50,
    "failurePercentageEjection": {"threshold": 90, "enforcementPercentage": 100, "minimumHosts": 2, "requestVolume": 5},
}
"""An instance that says SERVING and fails (gRFC A50): looked at twice a second, left out for ten seconds, longer each time.

Every status but OK counts as a failure there, a NOT_FOUND like an INTERNAL: hence the high threshold, and never more than half of the instances.
"""

_READS = ("Get", "List", "BatchGet")
_LEVELS = descriptor_pb2.MethodOptions


def service_config(*, several: bool) -> str:
    """The gRPC service config of a channel, which may lead to `several` instances; repeating calls is no part of it."""
    balancing: dict[str, object] = {"round_robin": {}}
    if several:
        balancing = {"outlier_detection_experimental": {**OUTLIERS, "childPolicy": [balancing]}}
    return json.dumps({"loadBalancingConfig": [balancing], "healthCheckConfig": {"serviceName": ""}})


def is_read(service: str, method: str) -> bool:
    """True when the proto's idempotency_level says that nothing is changed, or says nothing and the name is a read's."""
    level = _level_of(service, method)
    return level == _LEVELS.NO_SIDE_EFFECTS or (level == _LEVELS.IDEMPOTENCY_UNKNOWN and method.startswith(_READS))


def is_repeatable(service: str, method: str) -> bool:
    """True when twice is the same as once: for reads, and for what the proto's idempotency_level says so of."""
    return is_read(service, method) or _level_of(service, method) == _LEVELS.IDEMPOTENT


def _level_of(service: str, method: str) -> int:
    try:
        descriptor = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    except KeyError:
        return _LEVELS.IDEMPOTENCY_UNKNOWN
    return int(descriptor.GetOptions().idempotency_level)
