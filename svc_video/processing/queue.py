"""What waits for workers, in memory: a heap by urgency for each recipe, a heap of pauses, and when leases run out. Rows are the truth; `agree` follows
them."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from mesh.clock import Clock
from svc_video.processing.quiet import QuietHours, opens_at_ms
from svc_video.processing.rules import VideoJobs
from svc_video.processing.tables import Job, JobKind, JobState, Tier
from svc_video.processing.urgency import urgency_ms

JobId = tuple[int, str]
"""video_id and job_key."""
Urgency = tuple[bool, int, int, int]
"""Smallest first: what cannot wait, then by age of the video and what it is set back by, then by video, then within a video in the order in which jobs
are needed."""
ANY_RECIPE = ""
"""Of a job that every worker can do, and of a worker that says nothing of itself."""


_SHORTEST_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class Waiting:
    """One job that waits for a worker."""

    job_id: JobId
    kind: JobKind
    tier: Tier
    urgency: Urgency
    not_before_ms: int
    recipe: str
    """Which the plan follows: workers that follow another one would only refuse it."""

    @property
    def can_wait(self) -> bool:
        """It runs in the quiet hours, and after everything that cannot wait."""
        return self.urgency[0]


class JobQueue:
    """Open jobs and leases of one process."""

    def __init__(self, *, clock: Clock, ageing_ms: int, tier_ms: int, quiet: QuietHours | None = None) -> None:
        self._clock = clock
        self._ageing_ms = ageing_ms
        self._tier_ms = tier_ms
        self._waiting: dict[int, dict[str, Waiting]] = {}
        self._leases: dict[int, dict[str, int]] = {}
        self._quiet = quiet
        self._recipes: dict[int, str] = {}
        """Of the videos with leases."""
        self._ready: dict[str, list[tuple[Urgency, JobId]]] = {}
        """By recipe."""
        self._paused: list[tuple[int, JobId]] = []
        self._arrival = asyncio.Event()
        self.grace_until_ms = 0
        """No lease runs out before this: while nobody could take heartbeats, missing ones prove nothing."""

    def agree(self, video: VideoJobs) -> None:
        """Let memory say what the rows of a video say."""
        video_id = video.plan.video_id
        before = self._waiting.get(video_id, {})
        self.drop(video_id)
        if not video.is_under_way:
            return
        recipe = probed.recipe_version if (probed := video.probed) is not None else ANY_RECIPE
        waiting = {
            key: Waiting(
                (video_id, key),
                job.kind,
                video.plan.tier,
                self._urgency(video.plan, job),
                job.not_before_ms,
                ANY_RECIPE if job.kind is JobKind.PROBE else recipe,
            )
            for key, job in video.jobs.items()
            if job.state is JobState.OPEN
        }
        leases = {key: self.lease_ends_at_ms(job) for key, job in video.jobs.items() if job.state is JobState.LEASED}
        if waiting:
            self._waiting[video_id] = waiting
        if leases:
            self._leases[video_id] = leases
            self._recipes[video_id] = recipe
        fresh = [item for key, item in waiting.items() if before.get(key) != item]
        for item in fresh:
            self._push(item)
        if fresh:
            self._wake()

    def drop(self, video_id: int) -> None:
        """Forget a video."""
        self._waiting.pop(video_id, None)
        self._leases.pop(video_id, None)
        self._recipes.pop(video_id, None)

    def is_leased(self, recipe: str) -> bool:
        """Whether somebody works by a recipe now."""
        return recipe in self._recipes.values()

    def pop(self, may_take: Callable[[str], bool] = lambda recipe: True) -> Waiting | None:
        """Take the most urgent job whose pause is over, of those whose recipe the worker may take."""
        now_ms = self._clock.now_ms()
        while self._paused and self._paused[0][0] <= now_ms:
            _, job_id = heapq.heappop(self._paused)
            if (found := self._find(job_id)) is not None:
                self._push(found)
        recipes = [recipe for recipe in self._ready if may_take(recipe)]
        while recipes := [recipe for recipe in recipes if self._ready.get(recipe)]:
            recipe = min(recipes, key=lambda one: self._ready[one][0])
            urgency, job_id = heapq.heappop(self._ready[recipe])
            found = self._find(job_id)
            # Entries of jobs that were dropped or put again meanwhile stay in the heap until they come up.
            if found is None or (found.urgency, found.recipe) != (urgency, recipe) or found.not_before_ms > now_ms:
                continue
            if self._begins_at_ms(found) > now_ms:
                # The quiet hours ended while it waited for its turn.
                self._push(found)
                continue
            del self._waiting[job_id[0]][job_id[1]]
            return found
        for recipe in [recipe for recipe, heap in self._ready.items() if not heap]:
            del self._ready[recipe]
        return None

    def put_back(self, item: Waiting) -> None:
        """Let a job that was popped wait again: nothing became of it."""
        self._waiting.setdefault(item.job_id[0], {})[item.job_id[1]] = item
        self._push(item)
        self._wake()

    def expired(self) -> list[JobId]:
        """Jobs whose lease has run out by now; they stay listed until `agree` or `renewed`."""
        now_ms = self._clock.now_ms()
        return [(video_id, key) for video_id, leases in self._leases.items() for key, ends_at_ms in leases.items() if ends_at_ms <= now_ms]

    def lease_ends_at_ms(self, job: Job) -> int:
        """When the lease of a row runs out."""
        return max(job.lease_expires_at_ms, self.grace_until_ms)

    def renewed(self, job: Job) -> None:
        """The lease of a row lasts longer."""
        leases = self._leases.get(job.video_id, {})
        if job.job_key in leases:
            leases[job.job_key] = max(leases[job.job_key], self.lease_ends_at_ms(job))

    async def wait(self, timeout_s: float) -> None:
        """Return when a job may have become ready or a lease may have run out, at the latest after `timeout_s`."""
        moments = [self._paused[0][0]] if self._paused else []
        moments += [ends_at_ms for leases in self._leases.values() for ends_at_ms in leases.values()]
        if moments:
            timeout_s = min(timeout_s, max(_SHORTEST_WAIT_S, (min(moments) - self._clock.now_ms()) / 1000))
        arrival = self._arrival
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrival.wait(), timeout_s)

    def depth(self) -> Counter[tuple[JobKind, Tier]]:
        """How many jobs of each kind and tier wait that cannot wait for quiet hours, pauses included."""
        return Counter((item.kind, item.tier) for waiting in self._waiting.values() for item in waiting.values() if not item.can_wait)

    def deferred(self) -> dict[bool, int]:
        """How many jobs wait that can: those that may run now, and those that may not."""
        now_ms = self._clock.now_ms()
        found = Counter(
            self._begins_at_ms(item) <= now_ms for waiting in self._waiting.values() for item in waiting.values() if item.can_wait
        )
        return {True: found[True], False: found[False]}

    def _wake(self) -> None:
        """Everyone who waits now looks once; who comes later waits for the next arrival."""
        self._arrival.set()
        self._arrival = asyncio.Event()

    def _find(self, job_id: JobId) -> Waiting | None:
        return self._waiting.get(job_id[0], {}).get(job_id[1])

    def _push(self, item: Waiting) -> None:
        begins_at_ms = self._begins_at_ms(item)
        if begins_at_ms <= self._clock.now_ms():
            heapq.heappush(self._ready.setdefault(item.recipe, []), (item.urgency, item.job_id))
        else:
            heapq.heappush(self._paused, (begins_at_ms, item.job_id))

    def _begins_at_ms(self, item: Waiting) -> int:
        begins_at_ms = max(item.not_before_ms, self._clock.now_ms())
        return opens_at_ms(self._quiet, begins_at_ms) if item.can_wait else item.not_before_ms

    def _urgency(self, plan: Job, job: Job) -> Urgency:
        order = job.chunk_index if job.kind is JobKind.CHUNK else -job.kind
        return job.can_wait, urgency_ms(plan, job, ageing_ms=self._ageing_ms, tier_ms=self._tier_ms), job.video_id, order
