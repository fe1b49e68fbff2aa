"""The names of everything the Redis engine keeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix."""

    prefix: str

    @property
    def bell(self) -> str:
        """The channel that tells which key changed."""
        return f"{self.prefix}bell"

    @property
    def generation(self) -> str:
        """The marker that goes when the server loses its contents."""
        return f"{self.prefix}generation"

    def stream(self, topic: str, partition: int) -> str:
        """The records of a partition."""
        return f"{self.prefix}stream:{topic}:{partition}"

    def head(self, topic: str, partition: int) -> str:
        """The newest id of a partition."""
        return f"{self.prefix}head:{topic}:{partition}"

    def hold(self, group: str, topic: str, partition: int) -> str:
        """A group's lease and position in a partition."""
        return f"{self.prefix}hold:{group}:{topic}:{partition}"

    @property
    def any_hold(self) -> str:
        """A pattern that all holds match."""
        return f"{self.prefix}hold:*"

    def held(self, hold: str) -> tuple[str, str]:
        """Group and topic of a hold."""
        group, topic, _ = hold.removeprefix(f"{self.prefix}hold:").split(":")
        return group, topic

    def members(self, group: str, topic: str) -> str:
        """The live members of a group that read a topic, by the time their membership ends."""
        return f"{self.prefix}members:{group}:{topic}"

    def mark(self, name: str) -> str:
        """How far a publisher came."""
        return f"{self.prefix}mark:{name}"
