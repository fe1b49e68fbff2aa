"""Crowds from nothing to their end: in one process over tables that any engine keeps, and on real processes."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Final

from tests.service.social.crowd_acts import Doing
from tests.service.social.crowd_check import Seen, check, differences, look
from tests.service.social.crowd_processes import Processes
from tests.service.social.crowd_world import Crowd, open_crowd

PRIVATE: Final = 3
"""The last person's account is private."""
PEOPLE: Final = 4
VIDEOS: Final = (700_001, 700_002, 700_003, 700_004)
SETTLES_S: Final = 90.0


async def prove(folder: Path, seed: int, *, url: str = "", devices: int = 2, acts: int = 10, patience_s: float = 20.0) -> Doing:
    """One crowd in one process, whose parts die between writes. Raises AssertionError for an end that its acts do not allow."""
    async with open_crowd(folder, seed=seed, url=url) as crowd:
        people = [await crowd.person(is_private=number == PRIVATE) for number in range(PEOPLE)]
        doing = Doing(crowd, people, VIDEOS, f"crowd-{seed}", patience_s=patience_s)
        await _live(crowd, doing, seed, devices=devices, acts=acts)
        seen = await look(doing)
        check(doing, [PRIVATE], seen)
        for out_of_order in (False, True):
            await crowd.rewind(out_of_order=out_of_order)
            changed = differences(seen, await look(doing))
            assert not changed, changed
        return doing


async def _live(crowd: Crowd, doing: Doing, seed: int, *, devices: int, acts: int) -> None:
    over = asyncio.Event()

    async def go_on(dice: random.Random) -> None:
        for one in crowd.instances:
            one.clock.advance(dice.choice([0, 1, 3]))
        if dice.random() < 0.04:
            crowd.doom()

    async def follow() -> None:
        while not over.is_set():
            await crowd.replace_dead()
            await crowd.hear()
            await asyncio.sleep(0.01)

    async def act() -> None:
        await asyncio.gather(
            *(doing.device(who, f"{seed}.{who}.{device}", acts, after_each=go_on) for who in range(PEOPLE) for device in range(devices))
        )
        over.set()

    await asyncio.gather(act(), follow())
    await crowd.quiet()


async def prove_on(processes: Processes, seed: int, *, devices: int = 2, acts: int = 12, kills: int = 3) -> Doing:
    """One crowd on real processes, of which some are killed meanwhile. Raises AssertionError for an end that its acts do not allow."""
    day = _today()
    people = [await processes.person(f"crowd{seed}p{number}", is_private=number == PRIVATE) for number in range(PEOPLE)]
    videos = [seed * 1_000 + video for video in VIDEOS]
    doing = Doing(processes, people, videos, f"crowd-{seed}", patience_s=30.0)
    left, halfway = [kills], asyncio.Event()
    done = 0

    async def go_on(dice: random.Random) -> None:
        nonlocal done
        done += 1
        # Deaths are spread over what is done, whatever time that takes.
        if left[0] and done * (kills + 1) >= (kills + 1 - left[0]) * PEOPLE * devices * acts:
            left[0] -= 1
            await processes.kill_one()
        if done * 2 >= PEOPLE * devices * acts and not halfway.is_set():
            halfway.set()
            await processes.rewind()

    await asyncio.gather(
        *(doing.device(who, f"{seed}.{who}.{device}", acts, after_each=go_on) for who in range(PEOPLE) for device in range(devices))
    )
    await processes.settled()
    seen = await _agreed(doing, inboxes=_today() == day)
    await processes.rewind()
    await processes.settled()
    changed = differences(seen, await look(doing))
    assert not changed, changed
    assert processes.kills >= kills
    return doing


async def _agreed(doing: Doing, *, inboxes: bool) -> Seen:
    """What is seen once everything was heard: an event may be on its way that no consumer waits for yet."""
    end = time.monotonic() + SETTLES_S
    while True:
        seen = await look(doing)
        try:
            check(doing, [PRIVATE], seen, inboxes=inboxes)
        except AssertionError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(1.0)
            continue
        return seen


def _today() -> int:
    """The day of which notifications stand together."""
    return int(time.time() // 86_400)
