"""Sessions: codes become tokens, refresh tokens rotate, and every sign of a copied secret ends the session."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import events_pb2

from mesh.clock import Clock
from mesh.events.event import Event, EventMaker
from mesh.sealing import KeyGone
from mesh.tokens import ACCESS_TOKEN_MS, KEYS_TOPIC, SKEW_MS, AccessClaims, encode
from svc_social.identity import rules
from svc_social.identity.actions.sign_in import hash_of_code
from svc_social.identity.actions.signing_keys import SigningKeys
from svc_social.identity.clients import Clients
from svc_social.identity.convert import age_band_of
from svc_social.identity.errors import InvalidGrant, SessionNotFound
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.masks import purposes_of, roles_of
from svc_social.identity.people import BIRTH_DATE, People
from svc_social.identity.session_tables import AuthorizationCode, Session, SessionEnd
from svc_social.identity.store.accounts import AccountStore
from svc_social.identity.store.sessions import SessionStore
from svc_social.identity.tables import Account

IDLE_MS = 30 * 24 * 3_600_000
TOTAL_MS = 180 * 24 * 3_600_000
RETRY_GRACE_MS = 10_000
"""A client that lost the answer may repeat its newest refresh token for this long and gets the same successor."""

DEVICE = "session_device"
"""Place of the sealed device words."""

_log = logging.getLogger("clipmesh.social")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """An access token and the refresh token that follows."""

    access_token: str
    expires_in_ms: int
    refresh_token: str
    user_id: int


def challenge_of(verifier: str) -> str:
    """S256 of RFC 7636, 4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Gives and takes back tokens."""

    accounts: AccountStore
    sessions: SessionStore
    words: People
    clients: Clients
    signing: SigningKeys
    keys: IdentityKeys
    next_id: Callable[[], int]
    clock: Clock
    events: EventMaker

    async def exchange(self, *, code: str, verifier: str, client_id: str, redirect_uri: str, device: str = "") -> TokenPair:
        """The first tokens of a session. Raises UnknownClient and InvalidGrant; a code that was used before ends its session."""
        self.clients.get(client_id)
        row = await self.sessions.code(hash_of_code(code))
        if row is None:
            raise InvalidGrant()
        if row.session_id:
            await self._end(row.session_id, SessionEnd.CODE_REUSED)
            raise InvalidGrant()
        proven = hmac.compare_digest(challenge_of(verifier), row.code_challenge) and 43 <= len(verifier) <= 128
        if not proven or row.client_id != client_id or row.redirect_uri != redirect_uri or row.usable_until_ms <= self.clock.now_ms():
            raise InvalidGrant()
        await self._account(row.user_id)
        session = await self._open(row, device)
        # The session stands before the code says so: whoever finds the code used can then end the session it was used for.
        if await self.sessions.use_code(row, session_id=session.session_id) is None:
            await self._end(session.session_id, SessionEnd.CODE_REUSED)
            used = await self.sessions.code(row.code_hash)
            if used is not None and used.session_id:
                await self._end(used.session_id, SessionEnd.CODE_REUSED)
            raise InvalidGrant()
        # Looked at after the session stands: a change of the password or a ban either sees the session and ends it, or is seen here.
        account = await self._account(row.user_id, session_id=session.session_id)
        credential = await self.accounts.credential(row.user_id)
        if credential is None or credential.version != row.credential_version:
            await self._end(session.session_id, SessionEnd.PASSWORD_CHANGED)
            raise InvalidGrant()
        return await self._pair(session, account)

    async def refresh(self, *, refresh_token: str, client_id: str) -> TokenPair:
        """The next tokens. Raises UnknownClient and InvalidGrant; an old token that comes back ends the session."""
        self.clients.get(client_id)
        parsed = self._parse(refresh_token)
        if parsed is None:
            raise InvalidGrant()
        session_id, generation = parsed
        while True:
            session = await self.sessions.get(session_id)
            if session is None or session.ended is not SessionEnd.NONE or session.client_id != client_id:
                raise InvalidGrant()
            account = await self._account(session.user_id, session_id=session_id)
            # A change of the password may have died before it ended the sessions of the old one.
            needed = await self._password_of(session)
            if session.credential_version < needed:
                await self._end(session_id, SessionEnd.PASSWORD_CHANGED, older_than=needed)
                continue
            now_ms = self.clock.now_ms()
            if generation == session.generation:
                rotated = await self.sessions.change(
                    replace(
                        session,
                        generation=generation + 1,
                        rotated_at_ms=now_ms,
                        expires_at_ms=min(now_ms + IDLE_MS, session.created_at_ms + TOTAL_MS),
                    )
                )
                if rotated is not None:
                    return await self._pair(rotated, account)
                continue
            if generation == session.generation - 1 and now_ms - session.rotated_at_ms <= RETRY_GRACE_MS:
                return await self._pair(session, account)
            await self._end(session_id, SessionEnd.REFRESH_REUSED)
            raise InvalidGrant()

    async def revoke(self, refresh_token: str) -> None:
        """End the session of any refresh token of ours; unknown ones change nothing."""
        parsed = self._parse(refresh_token)
        if parsed is not None:
            await self._end(parsed[0], SessionEnd.REVOKED)

    async def consents_of(self, session_id: int) -> tuple[viewer_pb2.ConsentPurpose.ValueType, ...] | None:
        """What the person of a living session consents to now; None when the session is over or unknown."""
        session = await self.sessions.get(session_id)
        if session is None or session.ended is not SessionEnd.NONE:
            return None
        account = await self.accounts.get(session.user_id)
        return None if account is None or account.banned_at_ms else purposes_of(account.consents_mask)

    async def lives(self, session_id: int, *, user_id: int) -> bool:
        """True while the session goes on and is the person's."""
        session = await self.sessions.get(session_id)
        return session is not None and session.user_id == user_id and session.ended is SessionEnd.NONE

    async def end_own(self, user_id: int, session_id: int) -> None:
        """End a session of the person; safe to repeat. Raises SessionNotFound, also for one of somebody else."""
        session = await self.sessions.get(session_id)
        if session is None or session.user_id != user_id:
            raise SessionNotFound()
        await self._end(session_id, SessionEnd.ENDED_ELSEWHERE)

    async def keep(self, session_id: int, *, credential_version: int) -> None:
        """Let a session that lives go on under this password; safe to repeat."""
        while True:
            session = await self.sessions.get(session_id)
            if session is None or session.ended is not SessionEnd.NONE or session.credential_version >= credential_version:
                return
            if await self.sessions.change(replace(session, credential_version=credential_version)) is not None:
                return

    async def end_all(self, user_id: int, why: SessionEnd, *, keep: int = 0, older_than: int = 0) -> int:
        """End every session of a person but `keep`, with `older_than` only those of older passwords than this; safe to repeat. Returns how many
        lived."""
        ended = 0
        for session_id in await self.sessions.of_person(user_id):
            if session_id != keep:
                ended += await self._end(session_id, why, older_than=older_than)
        return ended

    async def _open(self, code: AuthorizationCode, device: str) -> Session:
        now_ms = self.clock.now_ms()
        session = Session(
            session_id=self.next_id(),
            user_id=code.user_id,
            client_id=code.client_id,
            generation=1,
            device_sealed=await self.words.sealer.seal(code.user_id, DEVICE, device),
            rotated_at_ms=now_ms,
            credential_version=code.credential_version,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + IDLE_MS,
        )
        return await self.sessions.add(session, index_until_ms=now_ms + TOTAL_MS)

    async def _password_of(self, session: Session) -> int:
        """The version of the password that the session has to rest on; 0 for a session that does not say on which it rests."""
        if not session.credential_version:
            return 0
        credential = await self.accounts.credential(session.user_id)
        if credential is None:
            raise InvalidGrant()
        return credential.version

    async def _end(self, session_id: int, why: SessionEnd, *, older_than: int = 0) -> bool:
        """End a session; with `older_than` only while it rests on an older password than this one, for it may be kept meanwhile."""
        while True:
            session = await self.sessions.get(session_id)
            if session is None or session.ended is not SessionEnd.NONE:
                return False
            if older_than and session.credential_version >= older_than:
                return False
            ended = await self.sessions.change(replace(session, ended=why), events=self._told(session, why))
            if ended is not None:
                break
        if why in (SessionEnd.REFRESH_REUSED, SessionEnd.CODE_REUSED):
            _log.warning("a copied token ended a session", extra={"user_id": session.user_id, "reason": why.name})
        return True

    def _told(self, session: Session, why: SessionEnd) -> list[Event]:
        if why is not SessionEnd.REFRESH_REUSED:
            return [self._revocation(session)]
        message = events_pb2.RefreshTokenReused(session_id=session.session_id, user_id=session.user_id, detected_at_ms=self.clock.now_ms())
        reuse = self.events.make(message, key=str(session.session_id), subject_ids=(session.user_id,))
        return [self._revocation(session), reuse]

    def _revocation(self, session: Session) -> Event:
        """An event of the outbox, unlike the repeated keys: that the session is over is a fact, written with the row or not at all."""
        message = events_pb2.SessionRevoked(
            session_id=session.session_id,
            user_id=session.user_id,
            expires_at_ms=self.clock.now_ms() + ACCESS_TOKEN_MS + SKEW_MS,
        )
        return self.events.make(message, key=str(session.session_id), topic=KEYS_TOPIC, subject_ids=(session.user_id,))

    async def _account(self, user_id: int, *, session_id: int = 0) -> Account:
        """The account with its age band as it is today. Raises InvalidGrant when the person is gone or banned; who was banned while the ban's
        process died loses the session here."""
        account = await self.accounts.get(user_id)
        if account is None:
            raise InvalidGrant()
        if account.banned_at_ms:
            if session_id:
                await self._end(session_id, SessionEnd.BANNED)
            raise InvalidGrant()
        try:
            born = date.fromisoformat(await self.words.sealer.unseal(user_id, BIRTH_DATE, account.birth_date_sealed))
        except KeyGone as error:
            raise InvalidGrant() from error
        band = rules.age_band(born, rules.today_of(self.clock.now_ms()))
        if band == account.age_band:
            return account
        renewed = await self.accounts.change(user_id, lambda row: replace(row, age_band=band), events=lambda _old, _new: ())
        return renewed or account

    async def _pair(self, session: Session, account: Account) -> TokenPair:
        person = await self.words.one(account)
        if person is None:
            raise InvalidGrant()
        now_ms = self.clock.now_ms() // 1000 * 1000
        claims = AccessClaims(
            user_id=account.user_id,
            session_id=session.session_id,
            client_id=session.client_id,
            handle=person.handle,
            roles=roles_of(account.roles_mask),
            age_band=age_band_of(account),
            consents=purposes_of(account.consents_mask),
            issued_at_ms=now_ms,
            expires_at_ms=now_ms + ACCESS_TOKEN_MS,
            token_id=str(self.next_id()),
        )
        key = await self.signing.current()
        return TokenPair(
            access_token=encode(claims, key_id=key.key_id, private_key=key.private_key),
            expires_in_ms=ACCESS_TOKEN_MS,
            refresh_token=self._refresh_token(session.session_id, session.generation),
            user_id=account.user_id,
        )

    def _refresh_token(self, session_id: int, generation: int) -> str:
        proof = base64.urlsafe_b64encode(self.keys.refresh_proof(session_id, generation)).rstrip(b"=").decode()
        return f"r1.{session_id}.{generation}.{proof}"

    def _parse(self, token: str) -> tuple[int, int] | None:
        """Session and number of a refresh token that we gave; None for every other text, without a look at any row."""
        parts = token.split(".")
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts[1:3]):
            return None
        session_id, generation = int(parts[1]), int(parts[2])
        if not hmac.compare_digest(token.encode(), self._refresh_token(session_id, generation).encode()):
            return None
        return session_id, generation
