"""In which order jobs that wait are leased: one number for each, which does not change while it waits, among those that cannot wait and after them
among those that can."""

from __future__ import annotations

from svc_video.processing.tables import REST, Job, Tier


def urgency_ms(plan: Job, job: Job, *, ageing_ms: int, tier_ms: int) -> int:
    """The smallest is leased first: older videos before newer ones, those of each further tier as if they had come `tier_ms` later, and further
    renditions as if they had come `ageing_ms` after the last tier's first ones.

    All wait alike, so nothing has to be sorted again as time goes by, and whatever has waited long enough is before everything new: nothing is
    overtaken by what comes more than `ageing_ms` and twice the tiers' distance after it.
    """
    late_ms = plan.tier * tier_ms
    return plan.opened_at_ms + late_ms + (ageing_ms + max(Tier) * tier_ms if job.group == REST else 0)
