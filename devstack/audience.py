"""Simulated viewers: they swipe as people with tastes would, in real time, as the abuse rules ask."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from devstack.cast import AUDIENCE, Person
from devstack.client import Api, new_request_id

SWIPES = 4
"""Clips that each viewer sees."""

FEED = """query($first: Int!, $after: String) { forYou(first: $first, after: $after) {
  edges { cursor viewToken node { id category durationMs } } } }"""


async def watch_for_a_while(api: Api, person: Person, *, swipes: int, rng: random.Random, swiped: Callable[[], None]) -> int:
    """Favourites to the end, the rest skipped soon; returns how many watches were accepted."""
    accepted, cursor = 0, None
    for _ in range(swipes):
        page = (await api.query(FEED, first=1, after=cursor))["forYou"]
        if not page["edges"]:
            break
        edge = page["edges"][0]
        likes = edge["node"]["category"] in person.likes
        watched_ms = int(edge["node"]["durationMs"] * (rng.uniform(0.7, 1.0) if likes else rng.uniform(0.05, 0.3)))
        await asyncio.sleep(watched_ms / 1000)
        outcome = await api.report_watch(edge["viewToken"], watched_ms=watched_ms, event_id=new_request_id())
        accepted += outcome == "ACCEPTED"
        cursor = edge["cursor"]
        swiped()
    return accepted


async def let_audience_watch(apis: dict[str, Api], swiped: Callable[[], None]) -> int:
    """Every simulated viewer swipes, all at once; returns the accepted watches."""
    counts = await asyncio.gather(
        *(
            watch_for_a_while(apis[person.handle], person, swipes=SWIPES, rng=random.Random(number), swiped=swiped)
            for number, person in enumerate(AUDIENCE)
        )
    )
    return sum(counts)
