"""Log files of children: what was written since a moment, in words that a person reads."""

from __future__ import annotations

import json
from pathlib import Path

LINES = 8
_CHARACTERS = 300


def size(log: Path) -> int:
    """Where the file ends now, 0 when there is none."""
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, since: int, *, lines: int = LINES) -> str:
    """The last different lines that were written after byte `since`, one problem each."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(since)
        written = file.read().decode(errors="replace").splitlines()
    told = list(dict.fromkeys(readable(line) for line in written if line.strip()))
    return "\n".join(f"  {line}" for line in told[-lines:])


def refusal(log: Path, since: int) -> str:
    """In one line why a process did not start: the last error that it told after byte `since`, empty when it told none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(since)
        for line in reversed(file.read().decode(errors="replace").splitlines()):
            try:
                entry = json.loads(line)
                if entry["level"] == "ERROR":
                    return " ".join(str(entry["message"]).split())
            except (ValueError, KeyError, TypeError):
                continue
    return ""


def readable(line: str) -> str:
    """A JSON line as level, words and exception; any other line as it is."""
    try:
        entry = json.loads(line)
        text = f"{entry['level']} {entry['message']}"
        exception = entry.get("exception")
    except (ValueError, KeyError, TypeError):
        return line[:_CHARACTERS]
    if isinstance(exception, dict):
        text += f": {exception.get('type', '').removeprefix('builtins.')}: {exception.get('message', '')}"
    return text[:_CHARACTERS]
