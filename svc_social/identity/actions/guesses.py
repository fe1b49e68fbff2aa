"""Guessing passwords: counted before the password is looked at, at equal cost whether the account exists or not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from svc_social.identity import rules
from svc_social.identity.errors import HandleNotAllowed, InvalidEmail, TooManyAttempts, WrongCredentials
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.attempts import AttemptStore
from svc_social.identity.tables import Account, Credential, NameKind

ATTEMPT_WINDOW_MS = 15 * 60_000
MOST_FAILURES_OF_ACCOUNT = 10
MOST_FAILURES_OF_ADDRESS = 100
"""Many people may share one address."""

_log = logging.getLogger("clipmesh.social")


def kind_of(login: str) -> NameKind:
    """What a person typed to sign in; a handle may begin with @."""
    return NameKind.EMAIL if "@" in login.strip()[1:] else NameKind.HANDLE


def _folded(kind: NameKind, login: str) -> str:
    try:
        return rules.fold_email(login) if kind is NameKind.EMAIL else rules.fold_handle(login)
    except (InvalidEmail, HandleNotAllowed):
        return login.strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesses:
    """Checks typed passwords."""

    accounts: AccountStore
    attempts: AttemptStore
    hasher: PasswordHasher
    keys: IdentityKeys

    async def check(self, account: Account | None, *, login: str, password: str, client_address: str) -> Credential:
        """The credential that the password fits; None for an account that does not exist. Raises TooManyAttempts and WrongCredentials."""
        of_account = self._of_account(account, kind_of(login), login)
        of_address = self.keys.network_subject("address", client_address)
        await self._take_attempt(of_account, of_address)
        credential = await self.accounts.credential(account.user_id if account is not None else 0)
        password_hash = credential.password_hash if account is not None and credential is not None else None
        if not await self.hasher.verify(rules.normal_password(password), password_hash) or credential is None:
            raise WrongCredentials()
        await self.attempts.give_back(of_account, all_of_them=True)
        if of_address:
            await self.attempts.give_back(of_address, all_of_them=False)
        return credential

    async def forget(self, account: Account) -> None:
        """Forget the failures of an account whose person proved by other means who they are."""
        for kind in NameKind:
            await self.attempts.give_back(self._of_account(account, kind, ""), all_of_them=True)

    def _of_account(self, account: Account | None, kind: NameKind, login: str) -> str:
        """Failures by handle and by address are counted apart: together they would tell that the two are one person's, and who only knows a
        handle, which everybody does, could keep its person out. Forms of one login are one, whether it is somebody's or not."""
        return self.keys.attempt_subject(f"account_by_{kind.value}", str(account.user_id) if account is not None else _folded(kind, login))

    async def _take_attempt(self, of_account: str, of_address: str) -> None:
        for subject, most in ((of_account, MOST_FAILURES_OF_ACCOUNT), (of_address, MOST_FAILURES_OF_ADDRESS)):
            if not subject:
                continue
            wait_ms = await self.attempts.take(subject, most=most, window_ms=ATTEMPT_WINDOW_MS)
            if wait_ms:
                if subject is of_address:
                    await self.attempts.give_back(of_account, all_of_them=False)
                _log.warning("too many failed sign-ins", extra={"reason": TooManyAttempts.reason})
                raise TooManyAttempts(retry_after_ms=wait_ms)
