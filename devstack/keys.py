"""Keys of the processes of one data folder: made once, each process reads its own file alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PROCESSES = ("gateway", "feed", "video", "sound", "social", "rights", "operator")
"""Whoever signs calls. The operator is no process: the commands of `clipmesh` speak under that name, and no process has its key."""

NAMED = {
    "blob_url_key": ("gateway", "video"),
    "page_token_key": ("gateway", "feed", "video", "sound", "social", "rights"),
    "archive_key": ("feed", "video", "sound", "social", "rights"),
    "feed_token_key": ("feed",),
    "email_hash_key": ("social",),
    "sealing_key": ("social",),
    "session_cookie_key": ("gateway",),
}
"""Symmetric keys and the processes that know each; 32 random bytes all."""


class BrokenKeys(ValueError):
    """A file of keys cannot be read; the text names it."""


def make_keys(folder: Path) -> None:
    """Write `<process>.json` for each process into `folder`, readable by their owner alone; what is there already keeps its keys, for rows are sealed
    with them. Raises BrokenKeys, and then nothing was written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = {name: _read(folder / f"{name}.json") for name in PROCESSES}
    private = {name: known[name].get("private_key") or _encoded(Ed25519PrivateKey.generate().private_bytes_raw()) for name in PROCESSES}
    peers = {name: _public(key) for name, key in private.items()}
    named = {label: _first_of(known, label, readers) or _encoded(secrets.token_bytes(32)) for label, readers in NAMED.items()}
    for name, key in private.items():
        content = {
            "service": name,
            "private_key": key,
            "peers": peers,
            "named": {label: value for label, value in named.items() if name in NAMED[label]},
        }
        if content != known[name]:
            _write(folder, name, content)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise BrokenKeys(f"{file} cannot be read; put it back from a copy, for rows are sealed with the keys in it")
    return content


def _first_of(known: dict[str, dict[str, Any]], label: str, readers: tuple[str, ...]) -> str:
    return next((value for name in readers if (value := known[name].get("named", {}).get(label))), "")


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    partial = folder / f".{name}.json.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    partial.rename(folder / f"{name}.json")


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _public(private_key: str) -> str:
    return _encoded(Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key)).public_key().public_bytes_raw())
