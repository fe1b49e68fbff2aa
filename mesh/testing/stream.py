"""The contract suite of the stream port: an engine passes it by subclassing `StreamContract` with an `engine` fixture of its own."""

from __future__ import annotations

from mesh.testing.stream_consuming import ConsumingContract
from mesh.testing.stream_handing_over import HandingOverContract
from mesh.testing.stream_marks import MarksContract
from mesh.testing.stream_outages import OutageContract
from mesh.testing.stream_publishing import PublishingContract
from mesh.testing.stream_readers import StreamEngine
from mesh.testing.stream_rewinding import RewindingContract
from mesh.testing.stream_tailing import TailingContract

__all__ = ["StreamContract", "StreamEngine"]


class StreamContract(
    PublishingContract, MarksContract, ConsumingContract, HandingOverContract, RewindingContract, TailingContract, OutageContract
):
    """All that the port promises. `engine` starts out empty in every test."""

    partitions = 8
