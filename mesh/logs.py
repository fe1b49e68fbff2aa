"""JSON logs: one object per line, only allow-listed fields, nothing a person wrote."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

import orjson

request_id: ContextVar[str] = ContextVar("clipmesh_request_id", default="")
"""The id of the client's request, the same in every process that works on it."""

FIELDS = frozenset(
    {
        "address", "attempt", "caller", "channel", "chunk", "code", "consumer", "count", "dependency", "duration_ms", "ends_at", "error_id",
        "error_type", "event_id", "exit_code", "failpoint", "job_key", "job_kind", "key_version", "kind", "lag_ms", "lane", "lease_ms", "limit",
        "method", "node", "notification_id", "partition", "pid", "position", "prefix", "queue", "reason", "remaining_ms", "rendition",
        "retry_after_ms", "service", "shard", "signal", "size_bytes", "sound_id", "stage", "state", "status", "store", "table", "topic", "trace_id",
        "type", "upload_id", "user_id", "verdict_id", "version", "video_id", "waited_ms", "work", "worker",
    }
)  # fmt: skip
"""Fields that `extra=` may carry: ids, counts, codes, durations and words of ours. All others are dropped."""

_SECRETS = (
    (re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+"), "<email>"),
    (re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"(?i)\b(bearer|password|secret|signature|token)(\s*[=:]\s*|\s+)\S+"), r"\1\2<redacted>"),
)
_MESSAGE_CHARS = 500
_REFUSAL_CHARS = 1_000
_SIGN_IN = re.compile(r"//(?!user:password@|key:secret@)[^\s/@\[]+@")
"""What stands before the host of a URL, but for the words by which forms show its place."""


def redact(text: str) -> str:
    """`text` without e-mail addresses, tokens and secrets, cut to 500 characters."""
    # Cut first, since the patterns cost more than linear time, but wide enough that nothing cut in half stays in the end.
    text = text[: 2 * _MESSAGE_CHARS]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text[:_MESSAGE_CHARS]


def refusal(text: str) -> str:
    """What a process says when it cannot start as it is set up, in one line: words of ours about settings, which `redact` would take for secrets."""
    return _SIGN_IN.sub("//***@", " ".join(text[: 2 * _REFUSAL_CHARS].split()))[:_REFUSAL_CHARS]


class JsonFormatter(logging.Formatter):
    """One JSON object per record; an exception shows its type and the places it passed, and its words only in development."""

    def __init__(self, *, service: str, development: bool = False) -> None:
        super().__init__()
        self._service = service
        self._development = development

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line: dict[str, Any] = {
            "at_ms": int(record.created * 1000),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": (refusal if getattr(record, "is_refusal", False) else redact)(record.getMessage()),
        }
        if request := request_id.get():
            line["request_id"] = request
        for name, value in record.__dict__.items():
            if name in FIELDS and name not in line and isinstance(value, str | int | float | bool):
                line[name] = redact(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self._exception(record.exc_info)
        return orjson.dumps(line).decode()

    def _exception(self, info: tuple[type[BaseException], BaseException, TracebackType | None]) -> dict[str, Any]:
        kind, error, trace = info
        shown: dict[str, Any] = {
            "type": f"{kind.__module__}.{kind.__qualname__}",
            "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-20:]],
        }
        if self._development:
            shown["message"] = redact(str(error))
        return shown


def start_logs(*, service: str, development: bool = False, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every record of this process to `stream` (standard error when None) as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(service=service, development=development))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
