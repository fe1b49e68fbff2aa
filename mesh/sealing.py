"""Sealed values: AES-256-GCM with one key per person, so that destroying a key erases every copy of what it sealed."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = b"\x01"
"""First byte of a sealed value: names the cipher and the layout, so that a later one can live beside it."""


class SealingError(Exception):
    """Base of what sealing can answer besides success.

    SealingError
    ├── Unreadable   altered, of another place, or sealed with another key
    └── KeyGone      the person's key was destroyed: the value is erased
    """


class Unreadable(SealingError):
    """The sealed value was altered, belongs to another place, or was sealed with another key."""


class KeyGone(SealingError):
    """The key of the person does not exist any more; nothing it sealed can be read again."""


def new_key() -> bytes:
    """A fresh key of 32 random bytes."""
    return os.urandom(KEY_BYTES)


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-Expand of RFC 5869 with SHA-256, one block); `secret` has at least 16 random bytes."""
    if len(secret) < 16:
        raise ValueError(f"a secret to derive from has at least 16 bytes, not {len(secret)}")
    return hmac.digest(secret, purpose.encode() + b"\x01", hashlib.sha256)


def seal(plaintext: bytes, *, key: bytes, place: str) -> bytes:
    """Encrypt and bind to `place` (for example `account.email:17`): a value copied to another place does not open there."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, plaintext, place.encode())


def unseal(sealed: bytes, *, key: bytes, place: str) -> bytes:
    """What `seal` was given. Raises Unreadable."""
    if len(sealed) < len(_FORM) + _NONCE_BYTES + 16 or not sealed.startswith(_FORM):
        raise Unreadable(f"no sealed value at {place}")
    nonce = sealed[len(_FORM) : len(_FORM) + _NONCE_BYTES]
    try:
        return AESGCM(key).decrypt(nonce, sealed[len(_FORM) + _NONCE_BYTES :], place.encode())
    except InvalidTag as error:
        raise Unreadable(f"the value at {place} does not open") from error


class PersonKeys(Protocol):
    """Where the keys of people live."""

    async def create(self, person_id: int) -> bytes:
        """The person's key, made when there is none yet; calls that race get the same one."""
        ...

    async def get(self, person_id: int) -> bytes:
        """The person's key. Raises KeyGone when there is none."""
        ...

    async def destroy(self, person_id: int) -> None:
        """Forget the key for ever; safe to repeat."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSealer:
    """Seals texts of people, each under its person's key."""

    keys: PersonKeys

    async def seal(self, person_id: int, field: str, text: str) -> bytes:
        """Encrypt one field of one person. Raises KeyGone."""
        return seal(text.encode(), key=await self.keys.get(person_id), place=f"{field}:{person_id}")

    async def unseal(self, person_id: int, field: str, sealed: bytes) -> str:
        """The text again. Raises KeyGone and Unreadable."""
        (text,) = await self.unseal_all(person_id, field, [sealed])
        return text

    async def unseal_all(self, person_id: int, field: str, sealed: Sequence[bytes]) -> list[str]:
        """Many texts of one field, their key looked up once. Raises KeyGone and Unreadable."""
        key = await self.keys.get(person_id)
        return [unseal(one, key=key, place=f"{field}:{person_id}").decode() for one in sealed]
