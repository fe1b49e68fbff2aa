"""A channel under TLS that follows its certificate: when the files change, the next call goes over a new connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from mesh.tls import LONGEST_CALL_MS, Tls, channel_credentials, server_name


class CertifiedChannel:
    """What a stub's methods need of a channel: calls, and an end. Credentials of a gRPC channel never change, so this one opens another."""

    def __init__(self, *, service: str, target: str, options: Sequence[tuple[str, Any]], tls: Tls) -> None:
        self._target = target
        self._options = (*options, *server_name(service))
        self._tls = tls
        self._retired: set[asyncio.Task[None]] = set()
        self._generation = -1
        self._channel: grpc.aio.Channel | None = None
        self._newest()

    def unary_unary(self, path: str, request_serializer: Any = None, response_deserializer: Any = None) -> Callable[..., Any]:
        """One method; each call takes the newest connection."""
        made: tuple[grpc.aio.Channel, Any] | None = None

        def call(request: Any, **how: Any) -> Any:
            nonlocal made
            channel = self._newest()
            if made is None or made[0] is not channel:
                made = channel, channel.unary_unary(path, request_serializer, response_deserializer)
            return made[1](request, **how)

        return call

    async def close(self) -> None:
        """End the connection, and those that were given up before."""
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()

    def _newest(self) -> grpc.aio.Channel:
        material = self._tls.current()
        if self._channel is not None and material.generation == self._generation:
            return self._channel
        if self._channel is not None:
            task = asyncio.create_task(_retire(self._channel))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)
        self._generation = material.generation
        self._channel = grpc.aio.secure_channel(self._target, channel_credentials(material), options=self._options)
        return self._channel


AnyChannel = grpc.aio.Channel | CertifiedChannel


def open_channel(*, service: str, target: str, options: Sequence[tuple[str, Any]], tls: Tls | None) -> AnyChannel:
    """A channel to a service: in plaintext when there are no certificates."""
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return CertifiedChannel(service=service, target=target, options=options, tls=tls)


async def _retire(channel: grpc.aio.Channel) -> None:
    """Close a connection that nobody calls over any more, once the calls under way have had their time."""
    try:
        await asyncio.sleep(LONGEST_CALL_MS / 1000)
    finally:
        await channel.close()
