"""Mails to people: a port, and the adapter that writes them into the log."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, field
from typing import Protocol

_log = logging.getLogger("clipmesh.mail")


class MailKind(enum.StrEnum):
    """What a mail is about."""

    RESET_PASSWORD = "reset-password"  # noqa: S105 - a word for logs
    VERIFY_EMAIL = "verify-email"
    SECURITY_NOTICE = "security-notice"
    """Something happened to the account that only its person should do."""
    NEWS_NOTICE = "news-notice"
    """There is something to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail with a link that only its reader may have."""

    to: str = field(repr=False)
    kind: MailKind
    link: str = field(repr=False)
    user_id: int


class Mailer(Protocol):
    """Sends mails. Errors of any kind mean that it was not sent; it is not tried again."""

    async def send(self, mail: Mail) -> None:
        """Hand a mail over."""
        ...


class LogMailer:
    """Sends nothing: writes the link where whoever runs the installation reads it, and nowhere the address."""

    async def send(self, mail: Mail) -> None:
        """One line of the log, the only one that ever has the link."""
        _log.info("a mail would go out now (%s): %s", mail.kind.value, mail.link, extra={"user_id": mail.user_id, "kind": mail.kind.value})


def open_mailer(url: str) -> Mailer:
    """The adapter that a URL names: `log:`. Raises ValueError for any other."""
    if url != "log:":
        raise ValueError("CLIPMESH_MAIL has to be log:")
    return LogMailer()
