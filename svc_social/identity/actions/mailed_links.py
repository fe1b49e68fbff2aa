"""Links that are mailed: to set a new password, and to prove that an address is one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.errors import SignInRequired
from mesh.stores.tables.requests import RequestLog
from svc_social.identity import rules
from svc_social.identity.actions.sign_in import hash_of_code, new_code
from svc_social.identity.errors import InvalidMailToken, TooManyAttempts
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.mail import Mail, Mailer, MailKind
from svc_social.identity.people import People
from svc_social.identity.posting import Posting
from svc_social.identity.session_tables import MailPurpose, MailToken
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.attempts import AttemptStore
from svc_social.identity.store.mail_tokens import MailTokenStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.tables import Account, NameKind

LINK_MS = 30 * 60_000
"""How long a link is good."""
WINDOW_MS = 3_600_000
MOST_OF_EMAIL = 5
MOST_OF_NETWORK = 30
"""Mails that may be asked for in a window: to one address, and from one network."""
_KINDS = {MailPurpose.RESET_PASSWORD: MailKind.RESET_PASSWORD, MailPurpose.VERIFY_EMAIL: MailKind.VERIFY_EMAIL}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailedLinks:
    """Makes links and takes them back. Whoever asks for one is answered alike and at once; the rest happens after the answer."""

    accounts: AccountStore
    names: NameStore
    attempts: AttemptStore
    mail_tokens: MailTokenStore
    words: People
    keys: IdentityKeys
    mailer: Mailer
    posting: Posting
    origin: str
    """What links begin with."""
    requests: RequestLog
    next_id: Callable[[], int]
    clock: Clock

    async def request_reset(self, email: str, *, client_address: str) -> None:
        """Mail a link when the address is of an account; nothing tells whether it is. Raises InvalidEmail and TooManyAttempts."""
        email_hash = self.keys.email_hash(rules.fold_email(email))
        await self._take_attempt("reset_mail", email_hash, client_address)
        self.posting.post(lambda: self._send_reset(email_hash))

    async def request_verification(self, user_id: int, *, client_address: str, request_id: str) -> None:
        """Mail a link to the person's own address unless it is verified, once a request. Raises SignInRequired and TooManyAttempts."""
        account = await self.accounts.get(user_id)
        if account is None:
            raise SignInRequired()
        if account.email_verified:
            return
        # Room first: a request that was claimed and found none would be taken for done when it comes again.
        with self.posting.room() as put:
            await self._take_attempt("verify_mail", str(user_id), client_address)
            claim = await self.requests.claim(
                caller=user_id, method="RequestEmailVerification", request_id=request_id, body=b"", new_id=self.next_id
            )
            if not claim.repeated:
                put(lambda: self._send(account, MailPurpose.VERIFY_EMAIL))

    async def verify_email(self, token: str, *, client_address: str) -> None:
        """Note that the address is the person's; the same link says it again. Raises InvalidMailToken and TooManyAttempts."""
        await self._take_try("verify", client_address)
        row = await self.mail_tokens.get(hash_of_code(token), MailPurpose.VERIFY_EMAIL)
        if row is None:
            raise InvalidMailToken()

        def change(account: Account) -> Account | None:
            return None if account.email_verified else replace(account, email_verified=True)

        if await self.accounts.change(row.user_id, change, events=lambda _old, _new: ()) is None:
            raise InvalidMailToken()

    async def _take_attempt(self, kind: str, whose: str, client_address: str) -> None:
        await self._take_try(kind, client_address)
        wait_ms = await self.attempts.take(self.keys.attempt_subject(kind, whose), most=MOST_OF_EMAIL, window_ms=WINDOW_MS)
        if wait_ms:
            raise TooManyAttempts(retry_after_ms=wait_ms)

    async def _take_try(self, kind: str, client_address: str) -> None:
        subject = self.keys.network_subject(f"{kind}_network", client_address)
        if not subject:
            return
        wait_ms = await self.attempts.take(subject, most=MOST_OF_NETWORK, window_ms=WINDOW_MS)
        if wait_ms:
            raise TooManyAttempts(retry_after_ms=wait_ms)

    async def _send_reset(self, email_hash: str) -> None:
        row = await self.names.get(NameKind.EMAIL, email_hash)
        account = await self.accounts.get(row.owner_id) if row is not None else None
        if account is not None:
            await self._send(account, MailPurpose.RESET_PASSWORD)

    async def _send(self, account: Account, purpose: MailPurpose) -> None:
        credential = await self.accounts.credential(account.user_id)
        if credential is None:
            return
        secret, kind = new_code(), _KINDS[purpose]
        await self.mail_tokens.add(
            MailToken(
                token_hash=hash_of_code(secret),
                purpose=purpose,
                user_id=account.user_id,
                credential_version=credential.version,
                expires_at_ms=self.clock.now_ms() + LINK_MS,
            )
        )
        to = await self.words.email(account)
        # In the fragment, which browsers send to nobody: neither a log of requests nor a Referer ever has it.
        await self.mailer.send(Mail(to=to, kind=kind, link=f"{self.origin}/{kind.value}#{secret}", user_id=account.user_id))
