"""The names of everything the Kafka engine keeps, and places in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

_LEGAL: Final = re.compile(r"[A-Za-z0-9._-]{1,180}")


class Place(NamedTuple):
    """One partition of a topic, by the topic's name in the port."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Names:
    """Names under one prefix."""

    prefix: str

    @property
    def control(self) -> str:
        """The topic that holds rewinds and the topics' identities."""
        return f"{self.prefix}.__control"

    def topic(self, topic: str) -> str:
        """The topic's name in the server."""
        return f"{self.prefix}.{legal(topic)}"

    def group(self, group: str) -> str:
        """The group's id in the server."""
        return f"{self.prefix}.{legal(group)}"

    def topic_of(self, name: str) -> str:
        """The topic's name in the port."""
        return name[len(self.prefix) + 1 :]

    def group_of(self, name: str) -> str | None:
        """The group's name in the port; None for one that is not ours."""
        return name[len(self.prefix) + 1 :] if name.startswith(f"{self.prefix}.") else None


def legal(name: str) -> str:
    """The name itself; ValueError for one that Kafka does not take."""
    if not _LEGAL.fullmatch(name):
        raise ValueError(f"{name!r} has to be 1 to 180 letters, digits, dots, - or _ to be a name in Kafka")
    return name
