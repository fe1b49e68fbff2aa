"""Who may call a method, for which viewers, how urgently and for how long."""

from __future__ import annotations

import enum
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from clipmesh.common.v1 import viewer_pb2


class Priority(enum.IntEnum):
    """Which calls go first when there is too much; smaller is more urgent."""

    PLAYBACK = 0
    """Sign-in and playback: somebody looks at a spinner."""
    WRITE = 1
    FEED = 2
    SEARCH = 3
    ANALYTICS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerRule:
    """Which viewers a method serves."""

    signed_in: bool
    roles: frozenset[viewer_pb2.Role.ValueType] = frozenset()
    """One of these roles is needed; empty for any role."""
    confirmed: bool = False
    """True for what somebody with a copied token must not do: refused while nobody can say whether the session still lives. Methods for some
    roles only are so too."""

    @property
    def privileged(self) -> bool:
        """True when the viewer's session has to be known to live."""
        return self.confirmed or bool(self.roles)


ANYONE = ViewerRule(signed_in=False)
SIGNED_IN = ViewerRule(signed_in=True)
SIGNED_IN_NOW = ViewerRule(signed_in=True, confirmed=True)


def roles(*roles: viewer_pb2.Role.ValueType) -> ViewerRule:
    """Signed-in viewers with one of `roles`; administrators always."""
    if not roles:
        raise ValueError("name at least one role, or use SIGNED_IN")
    return ViewerRule(signed_in=True, roles=frozenset(roles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rules of one method; a method without them is not served."""

    callers: AbstractSet[str]
    """Services that may call it."""
    viewer: ViewerRule = ANYONE
    idempotent: bool = False
    """True when a repeat changes nothing more. Of all others the server tells every client not to retry by itself."""
    keeps_answers: bool = False
    """True when repeats of a request id are told the first answer for a while without asking the servicer again. Not for answers that say where
    to go on from: those have to be fresh."""
    priority: Priority = Priority.FEED
    waits: bool = False
    """True for a method that mostly waits for something to happen: it takes no place from those that work. Whoever may call it is few."""
    max_deadline_ms: int = 10_000
    """Longest time the method works, whatever its caller allows."""

    def __post_init__(self) -> None:
        if not self.callers or isinstance(self.callers, str):
            raise ValueError("a method needs a set of callers")
        if self.max_deadline_ms <= 0:
            raise ValueError(f"max_deadline_ms has to be positive, not {self.max_deadline_ms}")
