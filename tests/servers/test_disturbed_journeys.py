"""The journeys of tests/e2e in whose middle something ends or waits, each on a system of its own."""

from __future__ import annotations

import pytest

from tests.e2e.test_growing import (
    stage,
    test_a_clip_that_is_deleted_while_it_grows_is_refused_at_once,
    test_the_creator_alone_watches_what_is_made_already,
)
from tests.e2e.test_restarts import (
    test_a_stop_in_the_middle_costs_nothing_and_the_next_start_finishes_it,
    test_every_process_restarts_in_turn_under_running_uploads,
)
from tests.e2e.test_tus import test_a_clip_comes_through_tus_though_the_gateway_dies_under_it
from tests.fixtures.clips import clip, ladder_clip
from tests.servers.stages import engines

__all__ = [
    "clip",
    "engines",
    "ladder_clip",
    "stage",
    "test_a_clip_comes_through_tus_though_the_gateway_dies_under_it",
    "test_a_clip_that_is_deleted_while_it_grows_is_refused_at_once",
    "test_a_stop_in_the_middle_costs_nothing_and_the_next_start_finishes_it",
    "test_every_process_restarts_in_turn_under_running_uploads",
    "test_the_creator_alone_watches_what_is_made_already",
]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
