"""A new password: by the present one, or by a mailed secret; whoever signed in with the old one is out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.errors import SignInRequired
from mesh.sealing import KeyGone
from mesh.stores.tables.requests import Claim, RequestLog, is_applied, is_newest, with_applied
from svc_social.identity import rules
from svc_social.identity.actions.guesses import ATTEMPT_WINDOW_MS, Guesses
from svc_social.identity.actions.sessions import Sessions
from svc_social.identity.actions.sign_in import hash_of_code
from svc_social.identity.errors import InvalidMailToken, TooManyAttempts
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.passwords import PasswordHasher
from svc_social.identity.people import People, Person
from svc_social.identity.session_tables import MailPurpose, MailToken, SessionEnd
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.attempts import AttemptStore
from svc_social.identity.store.mail_tokens import MailTokenStore
from svc_social.identity.tables import Credential

MOST_RESETS_OF_ADDRESS = 30
"""Tries of mailed secrets from one network in a window: none of them can be guessed, but each right one costs a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassword:
    """Replaces passwords. The credential's row is guarded, so of two changes one is refused or sees the other."""

    accounts: AccountStore
    attempts: AttemptStore
    mail_tokens: MailTokenStore
    guesses: Guesses
    sessions: Sessions
    words: People
    requests: RequestLog
    hasher: PasswordHasher
    keys: IdentityKeys
    next_id: Callable[[], int]
    clock: Clock

    async def change(
        self, user_id: int, *, session_id: int, current: str, new: str, client_address: str, request_id: str, body: bytes
    ) -> None:
        """Replace the password and end every session but `session_id`, which is asked about in its row: a token may outlive its session
        for a minute, and must not change a password then. Raises SignInRequired, PasswordTooWeak, TooManyAttempts, WrongCredentials."""
        account = await self.accounts.get(user_id)
        person = await self.words.one(account) if account is not None else None
        if account is None or person is None or not await self.sessions.lives(session_id, user_id=user_id):
            raise SignInRequired()
        checked = await self._checked(person, new)
        claim = await self._claim(user_id, "ChangePassword", request_id, body)
        while True:
            credential = await self._credential(user_id)
            if is_applied(credential.applied_edits, claim):
                break
            credential = await self.guesses.check(account, login=person.handle, password=current, client_address=client_address)
            changed = await self._replace(credential, checked, claim)
            if changed is not None:
                credential = changed
                break
        # A repeat that comes after another change does not lift its session over that one.
        if is_newest(credential.applied_edits, claim):
            await self.sessions.keep(session_id, credential_version=credential.version)
        # Not those that began under the new password: a repeat may come when there are such.
        await self.sessions.end_all(user_id, SessionEnd.PASSWORD_CHANGED, keep=session_id, older_than=credential.version)

    async def reset(self, token: str, *, new: str, client_address: str, request_id: str, body: bytes) -> None:
        """Replace the password by a mailed secret and end all sessions. The secret names the version of the password that it may replace, so
        the first use is the last, of all secrets of that version. Raises InvalidMailToken, PasswordTooWeak, TooManyAttempts."""
        subject = self.keys.network_subject("reset", client_address)
        wait_ms = await self.attempts.take(subject, most=MOST_RESETS_OF_ADDRESS, window_ms=ATTEMPT_WINDOW_MS) if subject else 0
        if wait_ms:
            raise TooManyAttempts(retry_after_ms=wait_ms)
        row = await self.mail_tokens.get(hash_of_code(token), MailPurpose.RESET_PASSWORD)
        account = await self.accounts.get(row.user_id) if row is not None else None
        person = await self.words.one(account) if account is not None else None
        if row is None or account is None or person is None:
            raise InvalidMailToken()
        checked = await self._checked(person, new)
        claim = await self._claim(account.user_id, "ResetPassword", request_id, body)
        version = await self._spend(row, checked, claim)
        await self.sessions.end_all(account.user_id, SessionEnd.PASSWORD_CHANGED, older_than=version)
        await self.guesses.forget(account)

    async def _spend(self, row: MailToken, checked: str, claim: Claim) -> int:
        """The version of the password from now on."""
        while True:
            credential = await self._credential(row.user_id)
            if is_applied(credential.applied_edits, claim):
                return credential.version
            if credential.version != row.credential_version:
                raise InvalidMailToken()
            changed = await self._replace(credential, checked, claim)
            if changed is not None:
                return changed.version

    async def _credential(self, user_id: int) -> Credential:
        credential = await self.accounts.credential(user_id)
        if credential is None:
            raise SignInRequired()
        return credential

    async def _checked(self, person: Person, password: str) -> str:
        try:
            email = await self.words.email(person.account)
        except KeyGone as error:
            raise SignInRequired() from error
        return rules.check_password(password, handle=person.handle, email=email)

    async def _claim(self, user_id: int, method: str, request_id: str, body: bytes) -> Claim:
        """The body holds passwords: only its keyed hash may be kept."""
        return await self.requests.claim(
            caller=user_id, method=method, request_id=request_id, body=self.keys.request_body(body), new_id=self.next_id
        )

    async def _replace(self, credential: Credential, password: str, claim: Claim) -> Credential | None:
        """The new row; None when somebody was faster."""
        changed = replace(
            credential,
            password_hash=await self.hasher.hash(password),
            set_at_ms=self.clock.now_ms(),
            applied_edits=with_applied(credential.applied_edits, claim),
        )
        return await self.accounts.replace_credential(changed)
