"""Sealed values open with their key at their place, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from mesh.sealing import KEPT_MS, KeptKeys, KeyGone, PersonSealer, Sealed, Unreadable, derive, new_key, seal, unseal
from mesh.testing.clock import FakeClock


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


class Keys:
    """Keys of people in memory; counts its reads."""

    def __init__(self, *people: int) -> None:
        self.keys = {person_id: new_key() for person_id in people}
        self.read: list[list[int]] = []
        self.held: asyncio.Event | None = None

    async def create(self, person_id: int) -> bytes:
        """The key."""
        return self.keys.setdefault(person_id, new_key())

    async def get_many(self, person_ids: Collection[int]) -> Mapping[int, bytes]:
        """The keys that there are when the read begins."""
        self.read.append(sorted(person_ids))
        found = {one: self.keys[one] for one in person_ids if one in self.keys}
        if self.held is not None:
            await self.held.wait()
        return found

    async def destroy(self, person_id: int) -> None:
        """Forget it."""
        self.keys.pop(person_id, None)


async def test_a_field_of_one_person_does_not_open_as_another_ones() -> None:
    sealer = PersonSealer(keys=Keys(7, 8))
    sealed = await sealer.seal(7, "email", "ä@b.example")
    assert await sealer.unseal(7, "email", sealed) == "ä@b.example"
    for person_id, field in ((8, "email"), (7, "bio")):
        with pytest.raises(Unreadable):
            await sealer.unseal(person_id, field, sealed)


async def test_a_page_of_people_reads_their_keys_together_and_leaves_the_erased_open() -> None:
    people = list(range(1, 21))
    keys = Keys(*people)
    sealer = PersonSealer(keys=KeptKeys(keys, clock=FakeClock()))
    page = [Sealed(person_id=one, field="name", value=seal(f"n{one}".encode(), key=keys.keys[one], place=f"name:{one}")) for one in people]
    assert await sealer.unseal_many(page) == [f"n{one}" for one in people]
    assert keys.read == [people]
    await sealer.unseal_many(page)
    assert keys.read == [people], "the same people again are not read again"
    # Somebody who was erased by another process, and an empty text, which needs no key.
    fresh = PersonSealer(keys=KeptKeys(keys, clock=FakeClock()))
    await keys.destroy(3)
    nothing = Sealed(person_id=99, field="name", value=b"")
    assert await fresh.unseal_many([page[1], page[2], page[1], nothing]) == ["n2", None, "n2", ""]


async def test_a_key_that_another_process_destroyed_is_used_for_thirty_seconds_at_most() -> None:
    keys, clock = Keys(7), FakeClock()
    here, there = (KeptKeys(keys, clock=clock) for _ in range(2))
    sealer = PersonSealer(keys=here)
    sealed = await sealer.seal(7, "bio", "about")
    clock.advance(KEPT_MS - 1)
    await there.destroy(7)
    assert await sealer.unseal(7, "bio", sealed) == "about"
    clock.advance(1)
    for work in (sealer.unseal(7, "bio", sealed), sealer.unseal_all(7, "bio", [sealed]), sealer.seal(7, "bio", "more")):
        with pytest.raises(KeyGone):
            await work


async def test_a_key_that_this_process_destroyed_is_gone_at_once_also_for_a_read_under_way() -> None:
    keys = Keys(7)
    kept = KeptKeys(keys, clock=FakeClock())
    keys.held = asyncio.Event()
    reading = asyncio.create_task(kept.get_many([7]))
    await asyncio.sleep(0)
    await kept.destroy(7)
    keys.held.set()
    await reading
    assert await kept.get_many([7]) == {}
    await kept.create(8)
    assert set(await kept.get_many([7, 8])) == {8}, "that there was none is not kept"


async def test_no_more_keys_are_kept_than_allowed() -> None:
    keys = Keys(1, 2, 3)
    kept = KeptKeys(keys, clock=FakeClock(), most=2)
    for person_id in (1, 2, 3, 3, 2, 1):
        await kept.get_many([person_id])
    assert keys.read == [[1], [2], [3], [1]]
