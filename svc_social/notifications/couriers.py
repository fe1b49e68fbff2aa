"""Couriers take notifications to people who are not looking: a port, and the adapters that write into the log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from svc_social.notifications.tables import NotificationKind

_log = logging.getLogger("clipmesh.notifications")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is to be delivered: ids and numbers, no words of anybody. Whoever renders it asks for names when it does."""

    user_id: int
    notification_id: int
    kind: NotificationKind
    count: int
    alert: int
    """With the notification it names the delivery: a courier that is asked twice may tell by it."""


class Courier(Protocol):
    """Delivers notices by one channel. Errors of any kind mean that it was not delivered; it is asked again later."""

    async def deliver(self, notice: Notice) -> None:
        """Hand a notice over."""
        ...


class LogPushes:
    """Pushes nothing: one line of the log for each notice."""

    async def deliver(self, notice: Notice) -> None:
        """Who and what kind, no more."""
        about = {"user_id": notice.user_id, "kind": notice.kind.name, "notification_id": notice.notification_id}
        _log.info("a push would go out now", extra=about)


class Mails:
    """Mails by whatever sends the mails of this installation."""

    def __init__(self, *, send: Callable[[int, bool], Awaitable[None]]) -> None:
        """`send` mails a person: that something happened to the account, or that there is something to read."""
        self._send = send

    async def deliver(self, notice: Notice) -> None:
        """A mail says what kind of thing it is, and where to read on."""
        await self._send(notice.user_id, notice.kind is NotificationKind.SECURITY)


def open_pushes(url: str) -> Courier:
    """The adapter that a URL names: `log:`. Raises ValueError for any other."""
    if url != "log:":
        raise ValueError("CLIPMESH_PUSH has to be log:")
    return LogPushes()
