"""Whose uploads go first when workers are short, and that everybody's go at last."""

from __future__ import annotations

import random

import pytest

from mesh.testing.clock import FakeClock
from svc_video.creators import Creator, Trust
from svc_video.processing.queue import JobQueue
from svc_video.processing.rules import VideoJobs, leased, opened
from svc_video.processing.tables import Job, JobKind, JobState, Tier
from svc_video.processing.tiers import LARGE_FOLLOWING, NEW_FOR_MS, tier_of

AGEING_MS, TIER_MS = 600_000, 30_000
JOB_MS = 1_000
HOUR_MS = 3_600_000


def creator(trust: Trust = Trust.GOOD, *, age_ms: int = 10 * NEW_FOR_MS, verified: bool = False, followers: int = 0) -> Creator:
    return Creator(trust=trust, account_age_ms=age_ms, verified=verified, followers=followers)


@pytest.mark.parametrize(
    ("known", "tier"),
    [
        (None, Tier.REGULAR),
        (creator(Trust.UNKNOWN, age_ms=0), Tier.REGULAR),
        (creator(), Tier.REGULAR),
        (creator(followers=10 * LARGE_FOLLOWING), Tier.REGULAR),
        (creator(verified=True), Tier.REGULAR),
        (creator(verified=True, followers=LARGE_FOLLOWING - 1), Tier.REGULAR),
        (creator(verified=True, followers=LARGE_FOLLOWING), Tier.LARGE),
        (creator(Trust.NEW, age_ms=0, verified=True, followers=LARGE_FOLLOWING), Tier.LARGE),
        (creator(Trust.NEW), Tier.NEW),
        (creator(age_ms=NEW_FOR_MS - 1), Tier.NEW),
        (creator(age_ms=NEW_FOR_MS), Tier.REGULAR),
        (creator(Trust.LIMITED), Tier.NEW),
        (creator(Trust.LIMITED, verified=True, followers=LARGE_FOLLOWING), Tier.NEW),
    ],
)
def test_the_tier_follows_what_is_known_of_an_account(known: Creator | None, tier: Tier) -> None:
    assert tier_of(known) is tier


class Simulation:
    """One worker that does a job a second, and videos of one job that is a first rendition's or a further one's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue = JobQueue(clock=self.clock, ageing_ms=AGEING_MS, tier_ms=TIER_MS)
        self.came: dict[int, tuple[Tier, str, int]] = {}
        self._open: dict[int, VideoJobs] = {}
        self.waited_ms: dict[int, int] = {}
        self.order: list[int] = []

    def upload(self, tier: Tier, group: str = "first") -> int:
        video_id = len(self.came) + 1
        now_ms = self.clock.now_ms()
        plan, _ = opened(video_id=video_id, creator_id=1, source_key="raw", size_bytes=1, sha256=b"", now_ms=now_ms, tier=tier)
        key = f"chunk/{group}/0"
        self._open[video_id] = VideoJobs(plan, {key: Job(video_id=video_id, job_key=key, kind=JobKind.CHUNK, opened_at_ms=now_ms)})
        self.came[video_id] = (tier, group, now_ms)
        self.queue.agree(self._open[video_id])
        return video_id

    def work(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            found = self.queue.pop()
            if found is not None:
                video_id, key = found.job_id
                video = self._open.pop(video_id)
                _, job = leased(video, key, worker="w", now_ms=self.clock.now_ms(), lease_ms=HOUR_MS)
                assert job.state is JobState.LEASED
                self.queue.drop(video_id)
                self.order.append(video_id)
                self.waited_ms[video_id] = self.clock.now_ms() - self.came[video_id][2]
            self.clock.advance(JOB_MS)


def test_of_uploads_that_come_together_tiers_go_in_order_and_every_first_rendition_before_every_further_one() -> None:
    simulation = Simulation()
    arrivals = [(tier, group) for tier in Tier for group in ("first", "rest") for _ in range(5)]
    random.Random(5).shuffle(arrivals)
    for tier, group in arrivals:
        simulation.upload(tier, group)
    simulation.work(len(arrivals))
    done = [simulation.came[video_id][:2] for video_id in simulation.order]
    assert done == [(tier, group) for group in ("first", "rest") for tier in Tier for _ in range(5)]


def test_the_first_rendition_of_the_newest_creator_goes_before_further_ones_of_the_largest() -> None:
    simulation = Simulation()
    large = simulation.upload(Tier.LARGE, "rest")
    simulation.clock.advance(AGEING_MS)
    new = simulation.upload(Tier.NEW)
    simulation.work(2)
    assert simulation.order == [large, new], "both count the same then, and the older video goes first"
    large = simulation.upload(Tier.LARGE, "rest")
    simulation.clock.advance(AGEING_MS - 1)
    new = simulation.upload(Tier.NEW)
    simulation.work(2)
    assert simulation.order[2:] == [new, large]


@pytest.mark.parametrize("stream", [Tier.LARGE, Tier.REGULAR])
@pytest.mark.parametrize(
    ("tier", "group", "at_most_ms"),
    [(Tier.NEW, "first", 2 * TIER_MS), (Tier.LARGE, "rest", AGEING_MS + 2 * TIER_MS), (Tier.NEW, "rest", AGEING_MS + 4 * TIER_MS)],
)
def test_nobody_starves_under_an_endless_stream_of_better_uploads(stream: Tier, tier: Tier, group: str, at_most_ms: int) -> None:
    simulation = Simulation()
    last = simulation.upload(tier, group)
    for _ in range(2 * (AGEING_MS + 4 * TIER_MS) // JOB_MS):
        simulation.upload(stream)
        simulation.work()
    assert simulation.waited_ms[last] <= at_most_ms + JOB_MS
    late_ms = at_most_ms - stream * TIER_MS
    assert simulation.waited_ms[last] >= late_ms, "until then those that came later went first"


def test_bursts_at_nine_tenths_of_what_a_worker_can_do_are_all_done_within_the_bound() -> None:
    simulation, dice = Simulation(), random.Random(11)
    for second in range(2_400):
        if second % 60 == 0:
            for _ in range(54):
                simulation.upload(dice.choice(list(Tier)), dice.choice(["first", "rest"]))
        simulation.work()
    assert simulation.waited_ms.keys() == simulation.came.keys()
    waits = {
        tier: [ms for video_id, ms in simulation.waited_ms.items() if simulation.came[video_id][:2] == (tier, "first")] for tier in Tier
    }
    means = [sum(waits[tier]) / len(waits[tier]) for tier in Tier]
    assert means == sorted(means)
    assert max(simulation.waited_ms.values()) <= AGEING_MS + 4 * TIER_MS


def test_depth_is_told_by_kind_and_tier() -> None:
    simulation = Simulation()
    for tier in (Tier.LARGE, Tier.NEW, Tier.NEW):
        simulation.upload(tier)
    assert simulation.queue.depth() == {(JobKind.CHUNK, Tier.LARGE): 1, (JobKind.CHUNK, Tier.NEW): 2}
