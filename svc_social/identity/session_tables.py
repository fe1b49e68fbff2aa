"""The persisted nouns of sign-in: attempts, codes, sessions and signing keys."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mesh.stores.tables.schema import Clustering, Guard, Partition, table


class SessionEnd(enum.IntEnum):
    """Why a session is over."""

    NONE = 0
    """It goes on."""
    REVOKED = 1
    """The person signed out."""
    REFRESH_REUSED = 2
    """An old refresh token came back: somebody has a copy."""
    CODE_REUSED = 3
    """Its authorization code came back: somebody has a copy."""
    ROLE_TAKEN = 4
    """A role was taken from the person; tokens that name it must not be believed."""
    ENDED_ELSEWHERE = 5
    """The person ended it from another session."""
    PASSWORD_CHANGED = 6
    """The person has another password since; whoever signed in with the old one is out."""
    BANNED = 7
    """The person was shut out."""


@table("sign_in_attempts", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class SignInAttempts:
    """Failed sign-ins of one account or one address in one window; the row is absent when the window is over."""

    subject: Partition[str]
    """What is counted and a keyed hash of whose; nothing in clear."""
    failures: int = 0
    expires_at_ms: int = 0
    version: int = 0


@table("authorization_codes", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode:
    """A code by its hash; kept after its use, so that a repeat is noticed."""

    code_hash: Partition[bytes]
    """SHA-256; codes have 256 random bits."""
    user_id: int = 0
    client_id: str = ""
    redirect_uri: str = ""
    code_challenge: str = ""
    usable_until_ms: int = 0
    session_id: int = 0
    """The session it was used for; 0 while unused."""
    credential_version: int = 0
    """Version of the password that was checked; under another password the code is worth nothing."""
    expires_at_ms: int = 0
    version: int = 0


@table("sessions", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in application. Its refresh tokens are numbered and computed from a secret, so none of them is stored."""

    session_id: Partition[int]
    user_id: int = 0
    client_id: str = ""
    generation: int = 0
    """Number of the newest refresh token."""
    device_sealed: bytes = b""
    """Browser and system of the sign-in in words of ours, sealed; empty when not known."""
    rotated_at_ms: int = 0
    ended: SessionEnd = SessionEnd.NONE
    credential_version: int = 0
    """Version of the password that the session rests on; under a newer one it is over. 0 when not known."""
    created_at_ms: int = 0
    expires_at_ms: int = 0
    """The earlier of the idle end and the total end; each rotation moves it."""
    version: int = 0


@table("sessions_of_people", guard=Guard.PLAIN)
@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOfPerson:
    """Which sessions a person has or had."""

    user_id: Partition[int]
    session_id: Clustering[int]
    expires_at_ms: int = 0
    version: int = 0


class MailPurpose(enum.IntEnum):
    """What the secret of a mailed link is good for."""

    NONE = 0
    RESET_PASSWORD = 1
    VERIFY_EMAIL = 2


@table("mail_tokens", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class MailToken:
    """The secret of a mailed link by its hash."""

    token_hash: Partition[bytes]
    """SHA-256; secrets have 256 random bits."""
    purpose: MailPurpose = MailPurpose.NONE
    user_id: int = 0
    credential_version: int = 0
    """Version of the password that a reset may replace: the reset makes another one, and thereby is the last."""
    expires_at_ms: int = 0
    version: int = 0


@table("signing_keys", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key of the ring that signs access tokens."""

    ring: Partition[str]
    number: Clustering[int]
    key_id: str = ""
    public_key: bytes = b""
    private_key_sealed: bytes = b""
    not_before_ms: int = 0
    sign_until_ms: int = 0
    """From here on the next key signs."""
    expires_at_ms: int = 0
    """When the last token signed by it is over."""
    version: int = 0
