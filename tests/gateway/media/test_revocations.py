"""The edge's copy of revocations: complete, monotone, and honest about its age."""

from __future__ import annotations

import asyncio

import pytest

from gateway.media.revocations import KEEP_MS, RevocationCopy
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import Revocations, until


def test_a_copy_that_never_heard_anything_is_of_no_use(copy: RevocationCopy) -> None:
    assert not copy.fresh


async def test_a_list_is_read_page_by_page_to_its_end_and_continued(copy: RevocationCopy, revocations: Revocations) -> None:
    revocations.entries, revocations.page = [(n, 2) for n in range(5)], 2
    await copy.poll()
    assert revocations.asked == [0, 2, 4, 5]
    assert [copy.revoked(n, 1) for n in range(6)] == [True] * 5 + [False]
    await copy.poll()
    assert revocations.asked == [0, 2, 4, 5, 5]


async def test_half_a_list_is_not_fresh_and_is_continued(copy: RevocationCopy, revocations: Revocations) -> None:
    revocations.entries, revocations.page = [(1, 2), (2, 2)], 1
    real = revocations.list

    async def break_after_one(after: int) -> object:
        revocations.fails = after > 0
        return await real(after)

    broken = RevocationCopy(list_revocations=break_after_one, clock=FakeClock())  # type: ignore[arg-type]
    with pytest.raises(ConnectionError):
        await broken.poll()
    assert not broken.fresh
    assert broken.revoked(1, 1)


async def test_epochs_never_fall(copy: RevocationCopy, revocations: Revocations) -> None:
    revocations.entries = [(1, 5), (1, 3)]
    await copy.poll()
    assert (copy.revoked(1, 4), copy.revoked(1, 5), copy.revoked(1, 6)) == (True, False, False)


async def test_age_counts_from_before_the_question(revocations: Revocations, clock: FakeClock) -> None:
    async def slow(after: int) -> tuple[list[tuple[int, int]], int]:
        clock.advance(4_000)
        return [], after

    copy = RevocationCopy(list_revocations=slow, clock=clock)
    await copy.poll()
    assert copy.fresh
    clock.advance(1_000)
    assert copy.fresh
    clock.advance(1)
    assert not copy.fresh


async def test_a_wall_clock_that_steps_changes_no_age(copy: RevocationCopy, clock: FakeClock) -> None:
    await copy.poll()
    clock.step(-3_600_000)
    clock.advance(5_001)
    assert not copy.fresh


async def test_a_list_that_went_back_is_read_anew(copy: RevocationCopy, revocations: Revocations, clock: FakeClock) -> None:
    revocations.entries = [(1, 2), (2, 2)]
    await copy.poll()

    async def restarted(after: int) -> tuple[list[tuple[int, int]], int]:
        return ([(3, 9)], 1) if after != 1 else ([], 1)

    copy._list = restarted
    with pytest.raises(ValueError, match="went back to position 1"):
        await copy.poll()
    await copy.poll()
    assert copy.fresh
    assert (copy.revoked(1, 1), copy.revoked(3, 8)) == (True, True)


async def test_what_no_grant_can_still_carry_is_forgotten(copy: RevocationCopy, revocations: Revocations, clock: FakeClock) -> None:
    revocations.entries = [(1, 2), (2, 2)]
    await copy.poll()
    clock.advance(KEEP_MS)
    revocations.entries.append((1, 3))
    await copy.poll()
    assert (copy.revoked(1, 2), copy.revoked(2, 1)) == (True, True)
    clock.advance(1)
    await copy.poll()
    assert (copy.revoked(1, 2), copy.revoked(2, 1)) == (True, False)


async def test_a_task_keeps_the_copy_fresh_and_asks_again_after_failures(revocations: Revocations, clock: FakeClock) -> None:
    copy = RevocationCopy(list_revocations=revocations.list, clock=clock, poll_ms=1)
    revocations.fails = True
    async with copy:
        await until(lambda: len(revocations.asked) >= 3)
        assert not copy.fresh
        revocations.fails = False
        revocations.entries.append((1, 2))
        await until(lambda: copy.revoked(1, 1))
        assert copy.fresh
    asked = len(revocations.asked)
    await asyncio.sleep(0.02)
    assert len(revocations.asked) == asked
