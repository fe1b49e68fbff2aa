"""What the API refuses, and how long something that is away is asked again."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

PATIENCE_S = 20.0
"""How long something that does not answer is asked again, in seconds."""
AWAY = frozenset({"UNAVAILABLE", "TIMEOUT", "RATE_LIMITED", "CONFLICT", "UNREACHABLE"})
"""Codes that say: ask again."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_AWAY_STATUS = {429: "RATE_LIMITED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "TIMEOUT"}


class ApiError(Exception):
    """The API refused; `code` is its word, `field` the input that is wrong."""

    def __init__(self, code: str, message: str, *, field: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(f"{message} [{code}{' at ' + field if field else ''}]")
        self.code = code
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s


def fault(error: dict[str, Any]) -> ApiError:
    """An entry of `errors`."""
    extensions = error.get("extensions") or {}
    return ApiError(extensions.get("code", "INTERNAL"), error["message"], retry_after_s=extensions.get("retryAfterMs", 0) / 1000)


def unreachable(error: Exception) -> ApiError:
    """A connection that broke or was never made."""
    return ApiError("UNREACHABLE", f"the gateway does not answer ({type(error).__name__})")


def refused(code: str, answer: httpx.Response, what: str) -> ApiError:
    """An HTTP answer that is no success; `code` unless the status says that asking again may help."""
    return ApiError(_AWAY_STATUS.get(answer.status_code, code), f"{what}: status {answer.status_code} {answer.text[:200]}".strip())


class Patience:
    """Growing pauses between repeats until the time is used up."""

    def __init__(self, total_s: float) -> None:
        self._until = time.monotonic() + total_s
        self._pause_s = _FIRST_PAUSE_S

    async def wait_or_raise(self, error: ApiError) -> None:
        """Return when it is time to ask again; raise `error` when it says something else or the time is over."""
        pause_s = max(self._pause_s, error.retry_after_s)
        if error.code not in AWAY or time.monotonic() + pause_s > self._until:
            raise error
        await asyncio.sleep(pause_s)
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
