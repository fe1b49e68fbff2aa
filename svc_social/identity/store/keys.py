"""Rows of keys: one that seals each person's facts, and the ring that signs access tokens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.clock import Clock
from mesh.sealing import KeyGone, new_key, seal, unseal
from mesh.stores.tables.port import RowExists, Tables, VersionConflict
from svc_social.identity.session_tables import SigningKey
from svc_social.identity.tables import PersonKey

RING = "access"
_MOST_KEYS = 1_000
"""How many rows one read gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonKeyStore:
    """The keys of people (`mesh.sealing.PersonKeys`), in rows that are sealed by a secret of the service."""

    tables: Tables
    clock: Clock
    wrapping_key: bytes

    async def create(self, person_id: int) -> bytes:
        """The person's key, made when there was none yet. Raises KeyGone when it was destroyed."""
        key = new_key()
        wrapped = seal(key, key=self.wrapping_key, place=_place(person_id))
        try:
            await self.tables.insert(PersonKey(user_id=person_id, wrapped=wrapped, created_at_ms=self.clock.now_ms()))
        except RowExists as exists:
            standing: PersonKey = exists.row
            if not standing.wrapped:
                raise KeyGone(f"the key of person {person_id} was destroyed") from None
            return self._unwrapped(standing)
        return key

    async def get_many(self, person_ids: Collection[int]) -> dict[int, bytes]:
        """The keys of people, without those that have none; one read for each 1,000 people."""
        wanted, found = list(dict.fromkeys(person_ids)), dict[int, bytes]()
        for start in range(0, len(wanted), _MOST_KEYS):
            rows = await self.tables.get_many(PersonKey, [(person_id,) for person_id in wanted[start : start + _MOST_KEYS]])
            found |= {row.user_id: self._unwrapped(row) for row in rows.values() if row.wrapped}
        return found

    async def destroy(self, person_id: int) -> None:
        """Forget the key for ever; its row stays empty, so that no other key takes its place."""
        while True:
            row = await self.tables.get(PersonKey, person_id)
            try:
                if row is None:
                    await self.tables.insert(PersonKey(user_id=person_id, created_at_ms=self.clock.now_ms()))
                elif row.wrapped:
                    await self.tables.transition(replace(row, wrapped=b""), expected_version=row.version)
            except (RowExists, VersionConflict):
                continue
            return

    async def undo(self, person_id: int) -> None:
        """Take back the key of a sign-up that was given up: nothing of it stays, and its id is never given to anybody else."""
        row = await self.tables.get(PersonKey, person_id)
        if row is not None:
            await self.tables.remove(row, expected_version=row.version)

    def _unwrapped(self, row: PersonKey) -> bytes:
        return unseal(row.wrapped, key=self.wrapping_key, place=_place(row.user_id))


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


def _place(person_id: int) -> str:
    return f"person_key:{person_id}"
