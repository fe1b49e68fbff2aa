"""Sealed values open with their key at their place, and nowhere else."""

from __future__ import annotations

import pytest

from mesh.sealing import PersonSealer, Unreadable, derive, new_key, seal, unseal


def test_a_sealed_value_opens_again_and_never_looks_the_same_twice() -> None:
    key = new_key()
    first, second = (seal(b"a@b.example", key=key, place="email:7") for _ in range(2))
    assert first != second
    assert unseal(first, key=key, place="email:7") == unseal(second, key=key, place="email:7") == b"a@b.example"


def test_another_place_key_or_byte_is_unreadable() -> None:
    key = new_key()
    sealed = seal(b"a@b.example", key=key, place="email:7")
    attempts = [
        (sealed, key, "email:8"),
        (sealed, key, "birth_date:7"),
        (sealed, new_key(), "email:7"),
        (sealed[:-1], key, "email:7"),
        (b"\x02" + sealed[1:], key, "email:7"),
        (b"", key, "email:7"),
        *((bytes([*sealed[:n], sealed[n] ^ 1, *sealed[n + 1 :]]), key, "email:7") for n in range(len(sealed))),
    ]
    for value, used, place in attempts:
        with pytest.raises(Unreadable):
            unseal(value, key=used, place=place)


def test_derived_keys_differ_by_purpose_and_secret() -> None:
    keys = {derive(secret, purpose) for secret in (b"a" * 16, b"b" * 16) for purpose in ("x", "y")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    with pytest.raises(ValueError, match="at least 16"):
        derive(b"short", "x")


class OneKey:
    """The keys of one person."""

    def __init__(self) -> None:
        self.key = new_key()

    async def create(self, person_id: int) -> bytes:
        """The key."""
        return self.key

    async def get(self, person_id: int) -> bytes:
        """The key."""
        return self.key

    async def destroy(self, person_id: int) -> None:
        """Not asked for here."""


async def test_a_field_of_one_person_does_not_open_as_another_ones() -> None:
    sealer = PersonSealer(keys=OneKey())
    sealed = await sealer.seal(7, "email", "ä@b.example")
    assert await sealer.unseal(7, "email", sealed) == "ä@b.example"
    with pytest.raises(Unreadable):
        await sealer.unseal(8, "email", sealed)
