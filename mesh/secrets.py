"""The secrets of one process: its own signing key, the public keys of its peers, and named shared keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_KEY_BYTES = 32


class InvalidSecrets(ValueError):
    """The secrets file cannot be read or lacks a part; the text names the file and the part, never a value."""


def _key_id(service: str, public_key: bytes) -> str:
    return f"{service}-{hashlib.sha256(public_key).hexdigest()[:12]}"


class Secrets:
    """What one process may know: it signs as itself and verifies others."""

    def __init__(self, *, service: str, private_key: bytes, peers: Mapping[str, bytes], named: Mapping[str, bytes] | None = None) -> None:
        """`private_key` and the public keys in `peers` are raw Ed25519, 32 bytes each."""
        self.service = service
        self._private = Ed25519PrivateKey.from_private_bytes(private_key)
        public_keys = {**peers, service: self._private.public_key().public_bytes_raw()}
        self._public = {peer: Ed25519PublicKey.from_public_bytes(key) for peer, key in public_keys.items()}
        self._key_ids = {peer: _key_id(peer, key) for peer, key in public_keys.items()}
        self._named = dict(named or {})

    @classmethod
    def load(cls, path: str | Path) -> Secrets:
        """Read the JSON file that the operator or devstack wrote for this process alone."""
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InvalidSecrets(f"secrets file {path} cannot be read: {type(error).__name__}") from None
        if not isinstance(document, dict) or not isinstance(document.get("service"), str) or not document["service"]:
            raise InvalidSecrets(f"secrets file {path} has no service name")

        def table(part: str) -> dict[str, bytes]:
            value = document.get(part, {})
            if not isinstance(value, dict):
                raise InvalidSecrets(f"secrets file {path}: {part} is no object")
            return {name: _decoded(path, f"{part}.{name}", text) for name, text in value.items()}

        peers = table("peers")
        private_key = _decoded(path, "private_key", document.get("private_key"))
        for part, key in [("private_key", private_key), *((f"peers.{name}", key) for name, key in peers.items())]:
            if len(key) != _KEY_BYTES:
                raise InvalidSecrets(f"secrets file {path}: {part} is not a raw Ed25519 key of {_KEY_BYTES} bytes")
        return cls(service=document["service"], private_key=private_key, peers=peers, named=table("named"))

    @property
    def key_id(self) -> str:
        """The name of the key that `sign` uses."""
        return self._key_ids[self.service]

    def key_id_of(self, peer: str) -> str:
        """The name of the key that `peer` signs with; empty when the peer is not known."""
        return self._key_ids.get(peer, "")

    def named(self, name: str) -> bytes:
        """A shared key by its name; InvalidSecrets when this process was not given it."""
        try:
            return self._named[name]
        except KeyError:
            raise InvalidSecrets(f"the secrets of {self.service} have no key named {name}") from None

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature of this service over `data`, 64 bytes."""
        return self._private.sign(data)

    def verify(self, peer: str, data: bytes, signature: bytes) -> bool:
        """True when `peer` is known and signed exactly `data`."""
        key = self._public.get(peer)
        if key is None:
            return False
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def _decoded(path: str | Path, part: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidSecrets(f"secrets file {path}: {part} is missing")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSecrets(f"secrets file {path}: {part} is not base64") from None
