"""Innermost: answers the repeat of a write from memory for a minute; what a repeat may change is decided behind it, by the request log."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from typing import Any

from mesh.auth import current_viewer
from mesh.clock import Clock
from mesh.interceptors.call import Call, Handler, Method

KEPT_MS = 60_000
"""How long an answer is kept: longer than any client goes on repeating by itself."""

LARGEST_BYTES = 16 * 1024
"""Larger answers are not kept."""


class Answers:
    """The last `most` answers of a process; 0 keeps none."""

    def __init__(self, *, most: int, clock: Clock) -> None:
        if most < 0:
            raise ValueError(f"a number of answers cannot be {most}")
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        # Requests hold passwords: what is kept of them cannot be guessed back without a key that ends with the process.
        self._key = os.urandom(32)

    def name(self, *parts: bytes) -> bytes:
        """One name for the parts; their lengths keep them apart."""
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.digest()

    def get(self, name: bytes) -> bytes | None:
        """The answer, None when there is none any more."""
        answer, until_ms = self._kept.get(name, (None, 0))
        return answer if self._clock.monotonic_ms() < until_ms else None

    def keep(self, name: bytes, answer: bytes) -> None:
        """Keep an answer; the oldest one goes when there are too many."""
        if not self._most or len(answer) > LARGEST_BYTES:
            return
        self._kept.pop(name, None)
        self._kept[name] = (answer, self._clock.monotonic_ms() + KEPT_MS)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class KeepAnswers:
    """Concerns the methods whose access says so; refusals are never kept."""

    def __init__(self, *, answers: Answers) -> None:
        self._answers = answers

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler that is not asked again for what it answered just now; any other method's handler as it is."""
        if not method.access.keeps_answers:
            return inner
        answers, path = self._answers, method.path.encode()

        async def kept(request: Any, call: Call) -> Any:
            viewer, body = str(current_viewer().user_id).encode(), request.SerializeToString(deterministic=True)
            name = answers.name(call.caller.encode(), path, viewer, request.request_id.encode(), body)
            answer = answers.get(name)
            if answer is None:
                answer = await inner(request, call)
                answers.keep(name, answer)
            return answer

        return kept
