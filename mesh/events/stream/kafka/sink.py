"""What crosses between a member's thread and the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaError

from mesh.events.stream.kafka.names import Place
from mesh.events.stream.kafka.positions import Position
from mesh.events.stream.port import Delivery


class Commit:
    """Offsets that are committed together, and what became of it."""

    def __init__(self, offsets: Mapping[Place, tuple[int, str]]) -> None:
        self.offsets = offsets
        self.answered = False


class Sink(Protocol):
    """What a member's thread tells; every call but `starts` arrives on the loop, in the order of its happening."""

    async def starts(self, places: Sequence[Place]) -> dict[Place, Position]:
        """Where to begin in partitions; asked until it is answered."""
        ...

    def assigned(self, starts: Mapping[Place, Position]) -> None:
        """These are ours from here on."""
        ...

    def arrived(self, batch: dict[Place, list[Delivery]]) -> None:
        """Records of partitions that are ours."""
        ...

    def revoke(self, places: Sequence[Place], done: Callable[[], None]) -> None:
        """Others will have these: call `done` when nobody here works on them."""
        ...

    def lost(self, places: Sequence[Place]) -> None:
        """Others have these already."""
        ...

    def committed(self, commit: Commit, error: KafkaError | None) -> None:
        """The answer to a commit."""
        ...

    def failed(self, error: KafkaError) -> None:
        """The membership is over."""
        ...
