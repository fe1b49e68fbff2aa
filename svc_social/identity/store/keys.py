"""Rows of keys: one that seals each person's facts, and the ring that signs access tokens."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.clock import Clock
from mesh.sealing import KeyGone, new_key, seal, unseal
from mesh.stores.tables.port import RowExists, Tables
from svc_social.identity.session_tables import SigningKey
from svc_social.identity.tables import PersonKey

RING = "access"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonKeyStore:
    """The keys of people (`mesh.sealing.PersonKeys`), in rows that are sealed by a secret of the service."""

    tables: Tables
    clock: Clock
    wrapping_key: bytes

    async def create(self, person_id: int) -> bytes:
        """The person's key, made when there is none yet."""
        key = new_key()
        wrapped = seal(key, key=self.wrapping_key, place=f"person_key:{person_id}")
        try:
            await self.tables.insert(PersonKey(user_id=person_id, wrapped=wrapped, created_at_ms=self.clock.now_ms()))
        except RowExists as exists:
            return unseal(exists.row.wrapped, key=self.wrapping_key, place=f"person_key:{person_id}")
        return key

    async def get(self, person_id: int) -> bytes:
        """The person's key. Raises KeyGone."""
        row = await self.tables.get(PersonKey, person_id)
        if row is None:
            raise KeyGone(f"person {person_id} has no key")
        return unseal(row.wrapped, key=self.wrapping_key, place=f"person_key:{person_id}")

    async def destroy(self, person_id: int) -> None:
        """Forget the key for ever."""
        row = await self.tables.get(PersonKey, person_id)
        if row is not None:
            await self.tables.remove(row, expected_version=row.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyStore:
    """The ring of signing keys."""

    tables: Tables
    wrapping_key: bytes

    async def all(self) -> tuple[SigningKey, ...]:
        """Every key whose tokens may still live, oldest first."""
        return (await self.tables.scan(SigningKey, RING, limit=1000)).rows

    async def add(self, key: SigningKey) -> bool:
        """Write the key with the next number; False when another process was faster."""
        try:
            await self.tables.insert(key)
        except RowExists:
            return False
        return True

    def sealed(self, number: int, private: Ed25519PrivateKey) -> bytes:
        """The private part as it is stored."""
        return seal(private.private_bytes_raw(), key=self.wrapping_key, place=f"signing_key:{RING}:{number}")

    def private_key(self, key: SigningKey) -> Ed25519PrivateKey:
        """The private part. Raises Unreadable."""
        raw = unseal(key.private_key_sealed, key=self.wrapping_key, place=f"signing_key:{RING}:{key.number}")
        return Ed25519PrivateKey.from_private_bytes(raw)
