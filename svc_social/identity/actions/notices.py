"""Mails that tell a person to look: that something happened to the account, or that there is something to read."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.sealing import KeyGone
from svc_social.identity.mail import Mail, Mailer, MailKind
from svc_social.identity.people import People
from svc_social.identity.store.accounts import AccountStore

_PATHS = {MailKind.SECURITY_NOTICE: "/settings", MailKind.NEWS_NOTICE: "/notifications"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Mails people whom nobody asked for an address."""

    accounts: AccountStore
    words: People
    mailer: Mailer
    origin: str
    """What links begin with."""

    async def mail(self, user_id: int, *, security: bool) -> None:
        """Hand a mail over; nothing for whoever is gone. Raises whatever the mailer raises."""
        account = await self.accounts.get(user_id)
        if account is None:
            return
        kind = MailKind.SECURITY_NOTICE if security else MailKind.NEWS_NOTICE
        try:
            to = await self.words.email(account)
        except KeyGone:
            return
        await self.mailer.send(Mail(to=to, kind=kind, link=f"{self.origin}{_PATHS[kind]}", user_id=user_id))
