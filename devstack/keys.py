"""Keys of the processes of one data folder: made once, each process reads its own file alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PROCESSES = ("gateway", "feed", "video", "sound", "social", "rights")

NAMED = {
    "blob_url_key": ("gateway", "video"),
    "page_token_key": ("gateway", "feed", "video", "sound", "social", "rights"),
    "feed_token_key": ("feed",),
    "email_hash_key": ("social",),
    "sealing_key": ("social",),
    "session_cookie_key": ("gateway",),
}
"""Symmetric keys and the processes that know each; 32 random bytes all."""


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def make_keys(folder: Path) -> None:
    """Write `<process>.json` for each process into `folder` unless they are all there; readable by their owner alone."""
    if all((folder / f"{name}.json").exists() for name in PROCESSES):
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = {name: Ed25519PrivateKey.generate() for name in PROCESSES}
    peers = {name: _encoded(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)) for name, key in private.items()}
    named = {name: (secrets.token_bytes(32), readers) for name, readers in NAMED.items()}
    for name, key in private.items():
        content = {
            "service": name,
            "private_key": _encoded(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())),
            "peers": peers,
            "named": {label: _encoded(value) for label, (value, readers) in named.items() if name in readers},
        }
        partial = folder / f".{name}.json.partial"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=1)
        partial.rename(folder / f"{name}.json")
