"""The journeys of tests/e2e that look into processes, each on a system of its own: a trace from end to end, and loops that nobody holds."""

from __future__ import annotations

import pytest

from tests.e2e.test_loops import test_no_event_loop_is_held_over_50_ms_by_its_own_work
from tests.e2e.test_traces import test_one_trace_leads_from_the_request_through_jobs_and_events_to_their_effects
from tests.fixtures.clips import clip, ladder_clip
from tests.servers.stages import engines

__all__ = [
    "clip",
    "engines",
    "ladder_clip",
    "test_no_event_loop_is_held_over_50_ms_by_its_own_work",
    "test_one_trace_leads_from_the_request_through_jobs_and_events_to_their_effects",
]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
