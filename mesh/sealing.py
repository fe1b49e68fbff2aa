"""Sealed values: AES-256-GCM with one key per person, so that destroying a key erases every copy of what it sealed."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mesh.clock import Clock

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = b"\x01"
"""First byte of a sealed value: names the cipher and the layout, so that a later one can live beside it."""

KEPT_MS = 30_000
"""How long a process goes on with a key that another process destroyed, at most."""


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
        """The person's key, made when there was none yet; calls that race get the same one. Raises KeyGone when it was destroyed."""
        ...

    async def get_many(self, person_ids: Collection[int]) -> Mapping[int, bytes]:
        """The keys of people, without those that have none; one read for a page of people."""
        ...

    async def destroy(self, person_id: int) -> None:
        """Forget the key for ever, so that no other can take its place; safe to repeat."""
        ...


class KeptKeys:
    """Keys of another `PersonKeys`, kept in memory for KEPT_MS, so that pages of the same people do not read them again and again.

    A key that this process destroys is forgotten at once, one that another destroys after KEPT_MS at most. That there is no key is never kept.
    """

    def __init__(self, keys: PersonKeys, *, clock: Clock, most: int = 20_000) -> None:
        """At most `most` keys are kept; the one that was read first goes first."""
        self._keys = keys
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._destroyed = 0

    async def create(self, person_id: int) -> bytes:
        """The person's key, made when there was none yet. Raises KeyGone."""
        return await self._keys.create(person_id)

    async def get_many(self, person_ids: Collection[int]) -> Mapping[int, bytes]:
        """The keys of people, without those that have none; those not kept in one read."""
        # Its age counts from before the read: what is destroyed while the read runs is as old as that.
        now_ms, destroyed = self._clock.monotonic_ms(), self._destroyed
        found = {one: kept[0] for one in person_ids if (kept := self._kept.get(one)) is not None and now_ms < kept[1]}
        missing = [one for one in dict.fromkeys(person_ids) if one not in found]
        if not missing:
            return found
        read = await self._keys.get_many(missing)
        if destroyed == self._destroyed:
            for person_id, key in read.items():
                self._kept.pop(person_id, None)
                self._kept[person_id] = (key, now_ms + KEPT_MS)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return {**found, **read}

    async def destroy(self, person_id: int) -> None:
        """Forget the key for ever, here at once."""
        try:
            await self._keys.destroy(person_id)
        finally:
            # Also when nobody knows whether it is gone, and also for a read that began before and has not come back.
            self._destroyed += 1
            self._kept.pop(person_id, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed text, and the place it was sealed for."""

    person_id: int
    field: str
    value: bytes
    """Empty for an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSealer:
    """Seals texts of people, each under its person's key. An empty text is sealed as empty bytes, for which nobody needs a key."""

    keys: PersonKeys

    async def seal(self, person_id: int, field: str, text: str) -> bytes:
        """Encrypt one field of one person. Raises KeyGone."""
        key = await self._key(person_id)
        return seal(text.encode(), key=key, place=_place(person_id, field)) if text else b""

    async def unseal(self, person_id: int, field: str, sealed: bytes) -> str:
        """The text again. Raises KeyGone and Unreadable."""
        (text,) = await self.unseal_all(person_id, field, [sealed])
        return text

    async def unseal_all(self, person_id: int, field: str, sealed: Sequence[bytes]) -> list[str]:
        """Many texts of one field, their key looked up once. Raises KeyGone and Unreadable."""
        key = await self._key(person_id)
        return [unseal(one, key=key, place=_place(person_id, field)).decode() if one else "" for one in sealed]

    async def unseal_many(self, values: Sequence[Sealed]) -> list[str | None]:
        """Texts of many people in the order asked, their keys looked up together; None for what is erased. Raises Unreadable."""
        keys = await self.keys.get_many({one.person_id for one in values if one.value})
        return [_opened(one, keys) for one in values]

    async def _key(self, person_id: int) -> bytes:
        key = (await self.keys.get_many([person_id])).get(person_id)
        if key is None:
            raise KeyGone(f"person {person_id} has no key")
        return key


def _opened(one: Sealed, keys: Mapping[int, bytes]) -> str | None:
    if not one.value:
        return ""
    key = keys.get(one.person_id)
    return None if key is None else unseal(one.value, key=key, place=_place(one.person_id, one.field)).decode()


def _place(person_id: int, field: str) -> str:
    return f"{field}:{person_id}"
