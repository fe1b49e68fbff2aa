"""The interceptors of every server: one ordered list, outermost first, and why each stands where it stands.

They are wrapped around each handler once, at start. A chain of grpc.aio interceptors would look its handler up anew for every call, which costs
about as much as the call itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from mesh.auth import ServiceTokens, ViewerReader
from mesh.interceptors.bound_deadline import BoundDeadline
from mesh.interceptors.call import Call, Handler, Interceptor, Method
from mesh.interceptors.identify import Identify
from mesh.interceptors.keep_answers import Answers, KeepAnswers
from mesh.interceptors.limit import Limit, Limiter
from mesh.interceptors.map_errors import MapErrors
from mesh.interceptors.observe import Observe
from mesh.interceptors.parse import Parse
from mesh.interceptors.request_id import RequestId
from mesh.interceptors.validate import Validate
from mesh.telemetry import Telemetry

__all__ = ["Answers", "Limiter", "Method", "chained", "interceptors"]


def interceptors(
    *, service: str, telemetry: Telemetry, tokens: ServiceTokens, viewers: ViewerReader, limiter: Limiter, answers: Answers
) -> tuple[Interceptor, ...]:
    """The chain of one server, outermost first."""
    return (
        RequestId(tracing=telemetry.tracing),  # first, so that every line and span below can name the request
        Observe(telemetry=telemetry),  # outside the mapping, so that it sees the code that is really answered
        MapErrors(service=service),  # outside all that can refuse, so that each refusal has a reason
        Identify(tokens=tokens, viewers=viewers),  # before anything is spent on strangers
        BoundDeadline(),  # before waiting, because waiting has to end
        Limit(limiter=limiter),  # before parsing, which is the first real work
        Parse(),  # a large message is parsed only by a call that has a place
        Validate(),  # needs the message; outside the answers, so that a request without a name is refused and not looked up
        KeepAnswers(answers=answers),  # innermost, so that it spares the servicer alone: who may call and how much is asked every time
    )


def chained(method: Method, chain: Sequence[Interceptor], innermost: Handler) -> grpc.RpcMethodHandler[Any, Any]:
    """The gRPC handler of `method`: `chain` around `innermost`, bytes in and bytes out."""
    handler = innermost
    for interceptor in reversed(chain):
        handler = interceptor.wrap(method, handler)

    async def serve(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        return await handler(request, Call(context=context, metadata=dict(context.invocation_metadata() or ())))

    return grpc.unary_unary_rpc_method_handler(serve, request_deserializer=None, response_serializer=None)
