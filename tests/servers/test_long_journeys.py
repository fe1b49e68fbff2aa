"""The journeys of tests/e2e that the servers tier has no time for, on one system."""

from __future__ import annotations

import pytest

from tests.e2e.test_gate import (
    test_a_moderator_decides_what_the_policy_leaves_open,
    test_what_the_text_policy_blocks_is_public_in_other_words_only,
)
from tests.e2e.test_lives import (
    test_bytes_that_never_change_have_the_same_digest_over_every_link,
    test_every_protocol_plays_to_the_last_frame,
    test_nobody_elses_draft_can_be_seen_or_published,
    test_without_consent_the_feed_is_contextual_and_nobody_is_tied_to_a_watch,
)
from tests.e2e.test_refusals import test_what_a_file_is_decide_its_bytes_and_not_what_it_is_called
from tests.fixtures.clips import clip, ladder_clip
from tests.servers.stages import stage

__all__ = [
    "clip",
    "ladder_clip",
    "stage",
    "test_a_moderator_decides_what_the_policy_leaves_open",
    "test_bytes_that_never_change_have_the_same_digest_over_every_link",
    "test_every_protocol_plays_to_the_last_frame",
    "test_nobody_elses_draft_can_be_seen_or_published",
    "test_what_a_file_is_decide_its_bytes_and_not_what_it_is_called",
    "test_what_the_text_policy_blocks_is_public_in_other_words_only",
    "test_without_consent_the_feed_is_contextual_and_nobody_is_tied_to_a_watch",
]

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
