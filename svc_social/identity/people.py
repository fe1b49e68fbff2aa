"""What people show, in words: sealed in their account, opened for whoever may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.sealing import PersonSealer, Sealed
from svc_social.identity.tables import Account

HANDLE, DISPLAY_NAME, BIO, EMAIL, BIRTH_DATE = "handle", "display_name", "bio", "email", "birth_date"
"""Places of sealed words of an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account with its words opened."""

    account: Account
    handle: str
    display_name: str
    bio: str

    @property
    def user_id(self) -> int:
        """Whose account it is."""
        return self.account.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Opens the words of accounts."""

    sealer: PersonSealer

    async def opened(self, accounts: Sequence[Account]) -> list[Person]:
        """People in the order asked, their keys looked up together; whoever was erased is left out."""
        words = await self.sealer.unseal_many(
            [
                Sealed(person_id=account.user_id, field=field, value=value)
                for account in accounts
                for field, value in (
                    (HANDLE, account.handle_sealed),
                    (DISPLAY_NAME, account.display_name_sealed),
                    (BIO, account.bio_sealed),
                )
            ]
        )
        found = zip(accounts, words[::3], words[1::3], words[2::3], strict=True)
        return [
            Person(account=account, handle=handle, display_name=display_name, bio=bio)
            for account, handle, display_name, bio in found
            if handle is not None and display_name is not None and bio is not None
        ]

    async def one(self, account: Account) -> Person | None:
        """The person of an account; None when they were erased."""
        return next(iter(await self.opened([account])), None)

    async def email(self, account: Account) -> str:
        """The person's address. Raises KeyGone."""
        return await self.sealer.unseal(account.user_id, EMAIL, account.email_sealed)
