"""Stubs for other services: addresses, balancing, deadlines, retries within a budget, identities and typed errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

import grpc
from opentelemetry.trace import SpanKind

from mesh import deadline
from mesh.access import Priority
from mesh.addresses import NoAddress, address_of, may_be_several, target_of
from mesh.attempts import Attempts, Budget
from mesh.auth import VIEWER_METADATA_KEY, ServiceTokens, current_signed_viewer
from mesh.certified_channel import AnyChannel, open_channel
from mesh.clock import Clock
from mesh.interceptors.limit import TIMEOUT_KEY, whom
from mesh.interceptors.request_id import REQUEST_ID_KEY, TRACEPARENT_KEY
from mesh.levels import level_of
from mesh.logs import request_id
from mesh.metrics import CLIENT_CALLS, CLIENT_SECONDS, CLIENT_SHARE
from mesh.secrets import Secrets
from mesh.service_config import is_read, is_repeatable, service_config
from mesh.service_tokens import METADATA_KEY
from mesh.status import RpcDeadlineExceeded, RpcFailed, RpcResourceExhausted, from_rpc_error
from mesh.telemetry import Telemetry, trace_context
from mesh.throttle import Throttle
from mesh.tls import Tls

__all__ = ["Channels", "NoAddress", "RpcFailed", "from_rpc_error"]

S = TypeVar("S")

DEFAULT_TIMEOUT_S = 5.0
"""Deadline of a call that nobody gave one."""

PING_EVERY_MS, PING_TIMEOUT_MS = 5_000, 2_000
"""A connection is asked for a sign of life this often, and given up when none comes in time."""

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # After an outage the default backoff keeps a client away for seconds.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Not a pause, whatever its name says: how long an attempt to connect may take, the peer's first frame included. A busy peer is no dead one.
    ("grpc.min_reconnect_backoff_ms", PING_TIMEOUT_MS),
    ("grpc.enable_retries", 1),
    # Loopback and unix sockets only ever lead to the peer itself.
    ("grpc.enable_http_proxy", 0),
)

_FAIR_TIMEOUT_S = 0.1
"""A call that had less time than this tells nothing of its service when it comes too late, or is refused for having waited half of it away."""
_HELD_BACK_MS = 1_000
"""When to ask again after a call that was not sent: by then the service takes noticeably more, or less."""


def keepalive(every_ms: int, timeout_ms: int) -> tuple[tuple[str, int], ...]:
    """Channel options that notice a frozen peer: without the third setting a call to it hangs until its deadline."""
    return (
        ("grpc.keepalive_time_ms", every_ms),
        ("grpc.keepalive_timeout_ms", timeout_ms),
        ("grpc.http2.ping_timeout_ms", timeout_ms),
    )


class Channels:
    """The outward connections of one process; make stubs inside the event loop that uses them."""

    def __init__(
        self,
        *,
        secrets: Secrets,
        clock: Clock,
        telemetry: Telemetry,
        addresses: Mapping[str, str] | None = None,
        default_timeout_s: float = DEFAULT_TIMEOUT_S,
        ping_every_ms: int = PING_EVERY_MS,
        ping_timeout_ms: int = PING_TIMEOUT_MS,
        tls: Tls | None = None,
    ) -> None:
        """`addresses` maps services to addresses; None reads CLIPMESH_<SERVICE>_ADDRESS when a stub is made.

        With `tls` everything but unix sockets is spoken to under certificates, which then say who calls instead of tokens.
        """
        self._tls = tls
        self._tokens = ServiceTokens(secrets=secrets, clock=clock)
        self.telemetry = telemetry
        self._addresses = addresses
        self._default_timeout_s = default_timeout_s
        self._options = (*OPTIONS, *keepalive(ping_every_ms, ping_timeout_ms))
        self._stubs: dict[tuple[Any, str, frozenset[str]], Any] = {}
        self._throttles: dict[str, Throttle] = {}
        self._budgets: dict[str, Budget] = {}
        self._channels: list[AnyChannel] = []

    def stub(self, stub_type: Callable[[grpc.aio.Channel], S], service: str, *, idempotent: Collection[str] = ()) -> S:
        """A stub of `service` whose calls carry identities, end in time and fail as RpcFailed.

        Methods named Get, List or BatchGet and those with an idempotency_level are retried while the service is UNAVAILABLE, and so are those named
        in `idempotent`. Those that only read are asked of a second instance, if there may be one, when the first takes
        long.
        """
        key = (stub_type, service, frozenset(idempotent))
        if key not in self._stubs:
            channel = _Channel(
                service=service,
                target=target_of(service, address_of(service, self._addresses)),
                idempotent=key[2],
                tokens=self._tokens,
                telemetry=self.telemetry,
                default_timeout_s=self._default_timeout_s,
                tls=self._tls,
                throttle=self._throttle(service),
                budget=self._budget(service),
            )
            stub = stub_type(cast(grpc.aio.Channel, channel))
            self._channels.append(channel.open(self._options))
            self._stubs[key] = stub
        return cast(S, self._stubs[key])

    async def close(self) -> None:
        """Close every connection; calls under way are cancelled."""
        for channel in self._channels:
            await channel.close()
        self._channels.clear()
        self._stubs.clear()

    def _throttle(self, service: str) -> Throttle:
        """One for all stubs of a service: its methods share its time."""
        if service not in self._throttles:
            throttle = self._throttles[service] = Throttle()
            self.telemetry.watch(CLIENT_SHARE, lambda: throttle.share, service=service)
        return self._throttles[service]

    def _budget(self, service: str) -> Budget:
        """One for all stubs of a service."""
        return self._budgets.setdefault(service, Budget(telemetry=self.telemetry, service=service))


class _Channel:
    """What a generated stub needs of a channel, which is opened once the stub has named its methods."""

    def __init__(
        self,
        *,
        service: str,
        target: str,
        idempotent: frozenset[str],
        tokens: ServiceTokens,
        telemetry: Telemetry,
        default_timeout_s: float,
        tls: Tls | None,
        throttle: Throttle,
        budget: Budget,
    ) -> None:
        self._service = service
        self._throttle = throttle
        self._budget = budget
        self._target = target
        self._idempotent = idempotent
        # The kernel carries a unix socket: nothing is altered on its way, and the folder's permissions say who may connect.
        self._tls = None if target.startswith("unix") else tls
        self._tokens = None if self._tls else tokens
        self._telemetry = telemetry
        self._default_timeout_s = default_timeout_s
        self._methods: list[_Method] = []

    def unary_unary(self, path: str, request_serializer: Any, response_deserializer: Any, _registered_method: bool = False) -> _Method:
        """One method of the stub."""
        service, name = path[1:].split("/")
        attempts = Attempts(
            budget=self._budget,
            retried=name in self._idempotent or is_repeatable(service, name),
            hedged=is_read(service, name) and may_be_several(self._target),
        )
        method = _Method(
            service=self._service,
            path=path,
            attempts=attempts,
            serializers=(request_serializer, response_deserializer),
            tokens=self._tokens,
            telemetry=self._telemetry,
            default_timeout_s=self._default_timeout_s,
            throttle=self._throttle,
        )
        self._methods.append(method)
        return method

    def open(self, options: Sequence[tuple[str, int]]) -> AnyChannel:
        """The real channel, for exactly these methods."""
        if unknown := self._idempotent - {method.path.rpartition("/")[2] for method in self._methods}:
            raise ValueError(f"{self._service} has no method {', '.join(sorted(unknown))}")
        every_option = [*options, ("grpc.service_config", service_config(several=may_be_several(self._target)))]
        channel = open_channel(service=self._service, target=self._target, options=every_option, tls=self._tls)
        for method in self._methods:
            method.bind(channel)
        return channel


class _Method:
    """One callable method of a stub."""

    def __init__(
        self,
        *,
        service: str,
        path: str,
        attempts: Attempts,
        serializers: tuple[Any, Any],
        tokens: ServiceTokens | None,
        telemetry: Telemetry,
        default_timeout_s: float,
        throttle: Throttle,
    ) -> None:
        self.path = path
        self._attempts = attempts
        self._throttle = throttle
        self._service = service
        self._serializers = serializers
        self._tokens = tokens
        self._telemetry = telemetry
        self._default_timeout_s = default_timeout_s
        self._call: Any = None
        telemetry.metrics.know_methods([path])

    def bind(self, channel: AnyChannel) -> None:
        """Use `channel` from now on."""
        self._call = channel.unary_unary(self.path, *self._serializers)

    async def __call__(self, request: Any, *, timeout: float | None = None) -> Any:
        """The response; RpcFailed when there is none. `timeout` in seconds never reaches beyond the ambient deadline."""
        timeout_s = deadline.remaining_s(self._default_timeout_s if timeout is None else timeout)
        if timeout_s <= 0:
            raise RpcDeadlineExceeded("no time is left to ask", service=self._service, method=self.path)
        if not self._telemetry.tracing.enabled:
            return await self._ask(request, timeout_s)
        with self._telemetry.span(self.path, kind=SpanKind.CLIENT):
            return await self._ask(request, timeout_s)

    async def _ask(self, request: Any, timeout_s: float) -> Any:
        self._hold_back()
        code, start = "OK", time.perf_counter()
        try:
            answer = await self._attempts.answer(
                lambda left_s: self._call(request, timeout=left_s, metadata=self._metadata(left_s)), timeout_s
            )
            self._throttle.ended(bad=False)
            return answer
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            failed = from_rpc_error(error, service=self._service, method=self.path)
            self._learn(failed, timeout_s)
            raise failed from error
        except BaseException:
            code = "CANCELLED"
            raise
        finally:
            self._telemetry.count(CLIENT_CALLS, method=self.path, code=code)
            self._telemetry.observe(CLIENT_SECONDS, time.perf_counter() - start, method=self.path)

    def _hold_back(self) -> None:
        """RpcResourceExhausted when the service has too much to do for calls of this level to be worth sending."""

        def level(priority: Priority) -> int:
            return level_of(priority, whom(), time.time_ns() // 1_000_000)

        if not self._throttle.admits(self.path, level, now_s=time.monotonic()):
            self._telemetry.count(CLIENT_CALLS, method=self.path, code="HELD_BACK")
            raise RpcResourceExhausted(service=self._service, method=self.path, reason="OVERLOADED", retry_after_ms=_HELD_BACK_MS)

    def _learn(self, failed: RpcFailed, timeout_s: float) -> None:
        # What the service passes on from one further right is no fault of its own.
        own = failed.domain in {f"clipmesh.{self._service}", RpcFailed.domain}
        # A limiter names the priority of what it refuses; any other refusal is a limit of one person, and says nothing of the service.
        refused = own and failed.code is grpc.StatusCode.RESOURCE_EXHAUSTED and "priority" in failed.facts
        late = own and failed.code is grpc.StatusCode.DEADLINE_EXCEEDED
        self._throttle.ended(bad=(refused or late) and timeout_s >= _FAIR_TIMEOUT_S)
        if refused:
            self._throttle.named(self.path, Priority(int(failed.facts["priority"])))

    def _metadata(self, timeout_s: float) -> tuple[tuple[str, str | bytes], ...]:
        metadata: list[tuple[str, str | bytes]] = [(TIMEOUT_KEY, str(round(timeout_s * 1_000)))]
        if self._tokens is not None:
            metadata.append((METADATA_KEY, self._tokens.mint(self._service)))
        if viewer := current_signed_viewer():
            metadata.append((VIEWER_METADATA_KEY, viewer))
        if request := request_id.get():
            metadata.append((REQUEST_ID_KEY, request))
        if traceparent := trace_context():
            metadata.append((TRACEPARENT_KEY, traceparent))
        return tuple(metadata)
