"""A feed over nothing, to look at what it is made of."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mesh.events.event import EventMaker
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from svc_feed.settings import FeedSettings
from svc_feed.wiring import Feed


@pytest.fixture
def feed() -> Feed:
    """The service without stores."""
    clock = FakeClock()
    nothing = cast(Any, None)
    return Feed(
        tables=nothing,
        events=EventMaker(producer="feed", next_id=iter(range(1, 9)).__next__, clock=clock),
        clock=clock,
        telemetry=Telemetry(service="feed"),
        token_key=b"k" * 32,
        videos=nothing,
        graph=nothing,
        settings=FeedSettings(secrets="", testing=True, tables="", blobs="", redis=""),
    )
