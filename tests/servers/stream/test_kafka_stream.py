"""Kafka keeps what the stream port promises."""

from __future__ import annotations

import pytest

from mesh.testing.stream import StreamContract


@pytest.mark.timeout(180)
class TestKafkaStream(StreamContract):
    """The contract on a real broker, whose starts take their time."""
