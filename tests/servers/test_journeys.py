"""What people live through in tests/e2e, on Cassandra, MinIO, Kafka and Redis: the same functions, on one system. The rest is in the long tier."""

from __future__ import annotations

import pytest

from tests.e2e.test_gate import test_rights_away_means_not_yet_and_is_made_up_for
from tests.e2e.test_lives import (
    test_a_file_becomes_a_clip_in_another_persons_feed,
    test_a_watch_is_counted_once_and_the_clip_leaves_the_next_pages,
    test_playback_ends_on_the_next_request_and_issued_links_soon,
)
from tests.e2e.test_refusals import (
    broken,
    test_a_file_that_is_not_what_was_declared_is_refused_and_leaves_no_bytes,
    test_every_broken_file_is_refused_by_name_and_leaves_no_bytes,
    test_missing_parts_are_named_and_the_session_stays_open,
    test_what_can_be_refused_before_a_byte_is_sent_is,
)
from tests.fixtures.clips import clip, ladder_clip
from tests.servers.stages import stage

__all__ = [
    "broken",
    "clip",
    "ladder_clip",
    "stage",
    "test_a_file_becomes_a_clip_in_another_persons_feed",
    "test_a_file_that_is_not_what_was_declared_is_refused_and_leaves_no_bytes",
    "test_a_watch_is_counted_once_and_the_clip_leaves_the_next_pages",
    "test_every_broken_file_is_refused_by_name_and_leaves_no_bytes",
    "test_missing_parts_are_named_and_the_session_stays_open",
    "test_playback_ends_on_the_next_request_and_issued_links_soon",
    "test_rights_away_means_not_yet_and_is_made_up_for",
    "test_what_can_be_refused_before_a_byte_is_sent_is",
]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
