"""Hashing keeps the loop free, its queue short, and an unknown account as dear as a known one."""

from __future__ import annotations

import asyncio
import time

import pytest

from svc_social.identity.errors import HashingOverloaded
from svc_social.identity.passwords import PasswordHasher


async def test_a_hash_is_argon2id_with_the_named_cost_and_verifies() -> None:
    hasher = PasswordHasher()
    stored = await hasher.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify("correct horse", stored)
    assert not await hasher.verify("wrong horse", stored)
    assert not await hasher.verify("correct horse", "no hash at all")
    hasher.close()


async def test_nobody_costs_what_somebody_costs_and_never_matches() -> None:
    hasher = PasswordHasher()
    stored = await hasher.hash("correct horse")

    async def cost_s(password_hash: str | None) -> float:
        start = time.perf_counter()
        assert not await hasher.verify("wrong horse", password_hash)
        return time.perf_counter() - start

    # The cheapest of several turns is what the work costs; the rest is what the machine did beside it.
    costs = [(await cost_s(stored), await cost_s(None)) for _ in range(5)]
    known_s, unknown_s = (min(column) for column in zip(*costs, strict=True))
    assert unknown_s > known_s / 3
    hasher.close()


async def test_more_than_the_queue_holds_is_refused_by_name() -> None:
    hasher = PasswordHasher(memory_kib=1024, passes=1, workers=1, most_waiting=2)
    answers = await asyncio.gather(*(hasher.hash("correct horse") for _ in range(10)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, HashingOverloaded)]
    assert len(refused) == 7
    assert {(error.reason, error.retry_after_ms) for error in refused} == {("OVERLOADED", 1_000)}
    assert await hasher.hash("correct horse")
    with pytest.raises(HashingOverloaded):
        await asyncio.gather(*(hasher.hash("correct horse") for _ in range(4)))
    hasher.close()


async def test_the_loop_turns_while_passwords_are_hashed() -> None:
    hasher = PasswordHasher(passes=6, workers=1)
    work = asyncio.create_task(hasher.hash("correct horse"))
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    hasher.close()
