"""What people do with one another and with clips: the journeys of tests/e2e on Cassandra, MinIO, Kafka and Redis, on one system."""

from __future__ import annotations

import pytest

from tests.e2e.test_accounts import (
    test_a_new_password_ends_the_other_sessions_and_a_mailed_link_ends_all,
    test_a_private_account_asks_who_follows,
    test_ending_the_other_sessions_ends_them_at_the_gateway,
    test_who_is_banned_is_out_at_the_gateway_and_gets_in_no_more,
)
from tests.e2e.test_comments import test_comments_are_there_at_once_and_gone_with_a_block
from tests.e2e.test_engagement import test_acts_show_at_once_and_are_counted_and_listed_within_seconds
from tests.e2e.test_graph import (
    test_a_block_takes_everything_away_on_the_next_request,
    test_a_clip_for_followers_is_for_followers,
    test_a_follow_shows_at_once_and_counts_within_seconds,
)
from tests.fixtures.clips import clip, ladder_clip
from tests.servers.stages import stage

__all__ = [
    "clip",
    "ladder_clip",
    "stage",
    "test_a_block_takes_everything_away_on_the_next_request",
    "test_a_clip_for_followers_is_for_followers",
    "test_a_follow_shows_at_once_and_counts_within_seconds",
    "test_a_new_password_ends_the_other_sessions_and_a_mailed_link_ends_all",
    "test_a_private_account_asks_who_follows",
    "test_acts_show_at_once_and_are_counted_and_listed_within_seconds",
    "test_comments_are_there_at_once_and_gone_with_a_block",
    "test_ending_the_other_sessions_ends_them_at_the_gateway",
    "test_who_is_banned_is_out_at_the_gateway_and_gets_in_no_more",
]

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
