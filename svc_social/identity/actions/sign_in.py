"""Sign-in: a password is checked at equal cost whether the account exists or not, and answered by an authorization code."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass

from mesh.clock import Clock
from svc_social.identity import rules
from svc_social.identity.actions.guesses import Guesses, kind_of
from svc_social.identity.clients import Clients
from svc_social.identity.errors import AccountBanned, HandleNotAllowed, InvalidEmail
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.session_tables import AuthorizationCode
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.names import NameStore
from svc_social.identity.store.sessions import SessionStore
from svc_social.identity.tables import Account, NameKind

CODE_USABLE_MS = 60_000
CODE_KEPT_MS = 24 * 3_600_000
"""A used code is remembered for a day, so that its repeat is noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRequest:
    """What a person typed, and the application that asks (RFC 6749, 4.1.1; RFC 7636, 4.3)."""

    login: str
    password: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    code_challenge_method: str
    client_address: str


def new_code() -> str:
    """256 random bits."""
    return base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def hash_of_code(code: str) -> bytes:
    """What is stored of a code."""
    return hashlib.sha256(code.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Checks passwords and gives codes."""

    accounts: AccountStore
    names: NameStore
    guesses: Guesses
    sessions: SessionStore
    clients: Clients
    keys: IdentityKeys
    clock: Clock

    async def authorize(self, request: SignInRequest) -> str:
        """A code. Raises UnknownClient, RedirectNotAllowed, PkceRequired, TooManyAttempts, WrongCredentials and AccountBanned."""
        client = self.clients.check(
            client_id=request.client_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            method=request.code_challenge_method,
        )
        account = await self._find(request.login)
        credential = await self.guesses.check(
            account, login=request.login, password=request.password, client_address=request.client_address
        )
        # Only who knows the password is told.
        if account is not None and account.banned_at_ms:
            raise AccountBanned()
        code = new_code()
        now_ms = self.clock.now_ms()
        await self.sessions.add_code(
            AuthorizationCode(
                code_hash=hash_of_code(code),
                user_id=credential.user_id,
                client_id=client.client_id,
                redirect_uri=request.redirect_uri,
                code_challenge=request.code_challenge,
                credential_version=credential.version,
                usable_until_ms=now_ms + CODE_USABLE_MS,
                expires_at_ms=now_ms + CODE_KEPT_MS,
            )
        )
        return code

    async def _find(self, login: str) -> Account | None:
        kind = kind_of(login)
        try:
            name = (
                self.keys.email_hash(rules.fold_email(login)) if kind is NameKind.EMAIL else self.keys.handle_name(rules.fold_handle(login))
            )
        except (InvalidEmail, HandleNotAllowed):
            return None
        row = await self.names.get(kind, name)
        account = None if row is None else await self.accounts.get(row.owner_id)
        # Nobody signs in by a handle that they gave up.
        return None if account is None or (kind is NameKind.HANDLE and account.handle_name != name) else account
